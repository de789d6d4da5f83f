// Mends what the theme leaves unreachable for keyboards and screen readers.
(() => {
  const all = (selector) => document.querySelectorAll(selector);

  function name() {
    // The visible words must be part of the name; without an aria-label they are the name.
    all(".search-button-field[aria-label], .toggle-button[aria-label]").forEach((button) => {
      if (button.textContent.trim()) button.removeAttribute("aria-label");
    });
    // The theme button shows one of three icons, each titled: say what it does, not which icon.
    all(".theme-switch-button [title]").forEach((icon) => {
      icon.removeAttribute("title");
      icon.setAttribute("aria-hidden", "true");
    });
    // The sidebar holds the title of the book, which no landmark held.
    const sidebar = document.querySelector(".bd-sidebar-primary");
    sidebar?.setAttribute("role", "complementary");
    sidebar?.setAttribute("aria-label", "Book");
    // What unfolds a branch of the contents is an arrow without a word.
    sidebar?.querySelectorAll("details > summary").forEach((arrow) => {
      const branch = arrow.closest("li").querySelector("a");
      arrow.setAttribute("aria-label", `Pages below ${branch.textContent.trim()}`);
    });
    // A list has list items; the roles that stand there are no longer allowed.
    all(".citation-list > [role]").forEach((entry) => entry.setAttribute("role", "listitem"));
    // The corner of a table of results heads nothing.
    all(".bd-article th:empty").forEach((corner) => corner.replaceWith(document.createElement("td")));
  }

  // What scrolls sideways can be reached with the keyboard; an inline formula as wide as the page scrolls too.
  function reach() {
    all(".bd-article mjx-container:not([display='true'])").forEach((formula) => {
      formula.classList.remove("wide");
      const room = formula.parentElement.getBoundingClientRect().width;
      formula.classList.toggle("wide", formula.getBoundingClientRect().width > room);
    });
    all(".bd-article :is(div.math, mjx-container:is(.wide, [display='true']), pre, .pst-scrollable-table-container, .output)").forEach((box) => {
      if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
    });
  }

  // The ledger shows the claims whose verdict and kind are ticked; what is left empty goes too.
  function filter() {
    const form = document.querySelector(".ledger-filter");
    if (!form) return;
    const rows = [...all("tr[data-verdict]")];
    const update = () => {
      const ticked = [...form.querySelectorAll("input:checked")].map((box) => box.value);
      rows.forEach((row) => (row.hidden = !(ticked.includes(row.dataset.verdict) && ticked.includes(row.dataset.kind))));
      ["tbody", "table", "section"].forEach((level) =>
        all(`.ledger-part ${level}, ${level}.ledger-part`).forEach(
          (box) => (box.hidden = !box.querySelector("tr[data-verdict]:not([hidden])")),
        ),
      );
      const shown = rows.filter((row) => !row.hidden).length;
      form.querySelector("output").textContent = `${shown} of ${rows.length} claims`;
    };
    form.hidden = false;
    form.addEventListener("change", update);
    update(); // a browser that comes back keeps what was ticked
  }

  // On the map, what a statement uses and who uses it.
  function trace() {
    all("svg.map a").forEach((node) => {
      const map = node.closest("svg");
      const lines = [...map.querySelectorAll("[data-from]")].filter((line) =>
        [line.dataset.from, line.dataset.to].includes(node.dataset.label),
      );
      const ends = lines.flatMap((line) => [line.dataset.from, line.dataset.to]);
      const near = [...map.querySelectorAll("a")].filter((other) => ends.includes(other.dataset.label));
      const mark = (on) => [...lines, ...near].forEach((part) => part.classList.toggle("map-on", on));
      ["mouseenter", "focus"].forEach((event) => node.addEventListener(event, () => mark(true)));
      ["mouseleave", "blur"].forEach((event) => node.addEventListener(event, () => mark(false)));
    });
  }

  // On paper: light, proofs and solutions open, formulas no wider than the sheet.
  function print() {
    const page = document.documentElement;
    const SHEET = 640; // px between the margins of a sheet
    let theme, closed, wide;
    window.addEventListener("beforeprint", () => {
      theme = page.dataset.theme;
      page.dataset.theme = "light";
      closed = [...all(".bd-article details.sd-dropdown:not([open])")];
      closed.forEach((box) => (box.open = true));
      wide = [...all(".bd-article div.math")].filter((box) => box.scrollWidth > SHEET);
      wide.forEach((box) => (box.style.fontSize = `${(SHEET / box.scrollWidth) * 100}%`));
    });
    window.addEventListener("afterprint", () => {
      page.dataset.theme = theme;
      closed.forEach((box) => (box.open = false));
      wide.forEach((box) => (box.style.fontSize = ""));
    });
  }

  document.addEventListener("DOMContentLoaded", () => {
    print();
    name();
    filter();
    trace();
    const ready = window.MathJax?.startup?.promise ?? Promise.resolve();
    ready.then(reach);
    new ResizeObserver(reach).observe(document.querySelector(".bd-article") ?? document.body);
  });
})();
