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
    all(".bd-article :is(div.math, mjx-container.wide, pre, .pst-scrollable-table-container, .output)").forEach((box) => {
      if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
    });
  }

  document.addEventListener("DOMContentLoaded", () => {
    name();
    const ready = window.MathJax?.startup?.promise ?? Promise.resolve();
    ready.then(reach);
    new ResizeObserver(reach).observe(document.querySelector(".bd-article") ?? document.body);
  });
})();
