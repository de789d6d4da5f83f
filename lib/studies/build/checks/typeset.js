// Typesets every formula with the MathJax that the pages use and reports those it refuses.
// argv: the MathJax folder.  stdin: JSON [{id, tex, display}].  stdout: JSON [{id, tex, error}].
const fs = require("fs");
const path = require("path");
const vm = require("vm");

const root = path.resolve(process.argv[2]);
const formulas = JSON.parse(fs.readFileSync(0, "utf8"));

globalThis.MathJax = {
  startup: { typeset: false },
  loader: {
    paths: { mathjax: root },
    load: ["adaptors/liteDOM", "input/tex", "output/chtml"],
    // Run in this context: a plain require() would treat MathJax's ES-module-shaped files as modules.
    require: (file) => vm.runInThisContext(fs.readFileSync(file, "utf8"), { filename: file }),
  },
  // noerrors and noundefined paint mistakes over; without them MathJax reports each one.
  tex: { packages: { "[-]": ["noerrors", "noundefined"] } },
};
globalThis.require = require;

vm.runInThisContext(fs.readFileSync(path.join(root, "startup.js"), "utf8"));
MathJax.startup.promise
  .then(async () => {
    const errors = [];
    let page = null;
    for (const { id, tex, display } of formulas) {
      if (id !== page) {
        // A macro or label that one page defines is unknown to the next.
        MathJax.startup.getComponents();
        MathJax.startup.makeMethods();
        page = id;
      }
      const html = MathJax.startup.adaptor.outerHTML(await MathJax.tex2chtmlPromise(tex, { display }));
      const refused = html.match(/data-mjx-error="([^"]*)"/);
      if (refused) errors.push({ id, tex, error: refused[1] });
    }
    process.stdout.write(JSON.stringify(errors));
  })
  .catch((error) => {
    process.stderr.write(`MathJax did not start: ${error.stack || error}\n`);
    process.exit(1);
  });
