// Single keys: they do nothing while somebody types, and can be switched off.
(() => {
  const OFF = "dkronpy-keys-off";
  const remembered = () => { try { return localStorage.getItem(OFF) === "1"; } catch { return false; } };
  const help = document.getElementById("help");
  let went = -Infinity;
  const rows = () => [...document.querySelectorAll("main [data-row]")].filter((row) => row.querySelector("[data-open]"));
  const here = (all) => all.findIndex((row) => row.contains(document.activeElement));
  const step = (by, fits = () => true) => {
    const all = rows();
    let at = here(all);
    for (let index = at + by; index >= 0 && index < all.length; index += by) {
      if (fits(all[index])) { const link = all[index].querySelector("[data-open]"); link.focus(); link.scrollIntoView({ block: "nearest" }); return; }
      at = index;
    }
  };
  const click = (selector) => { const found = document.querySelector(selector); if (found) found.click(); };
  const keys = {
    "/": () => (document.getElementById("find") || document.getElementById("q") || document.getElementById("search")).focus(),
    "?": () => (help.open ? help.close() : help.showModal()),
    j: () => step(1), k: () => step(-1),
    ".": () => step(1, (row) => row.querySelector(".badge.bad")),
    x: () => { const all = rows(), row = all[here(all)], tick = row && row.querySelector("[data-tick]"); if (tick) tick.click(); },
    "[": () => click('#part a[rel="prev"]'), "]": () => click('#part a[rel="next"]'),
    r: () => { const all = rows(), run = (all[here(all)] || document).querySelector('main [aria-label^="Run "]'); if (run) run.focus(); },
    p: () => { click("#ask-pause:not([open]) summary"); const why = document.querySelector("#ask-pause input[name=reason]"); if (why) why.focus(); },
    f: () => click("#follow"), t: () => click("#theme"),
    g: (event) => { went = event.timeStamp; },
  };
  document.addEventListener("keydown", (event) => {
    const target = event.target;
    if (event.ctrlKey || event.metaKey || event.altKey || remembered()) return;
    if (target instanceof Element && target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]")) return;
    if (help.open && event.key !== "?") return;
    if (event.timeStamp - went < 1500 && (event.key !== "g" || went > 0)) {
      went = -Infinity;
      const link = document.querySelector(`.top [data-key="${CSS.escape(event.key)}"]`);
      if (link) { event.preventDefault(); link.click(); return; }
    }
    const act = keys[event.key];
    if (act) { event.preventDefault(); act(event); }
  });
  document.getElementById("show-help").addEventListener("click", keys["?"]);
  const on = document.getElementById("keys-on");
  if (on) {
    on.checked = !remembered();
    on.addEventListener("change", () => { try { localStorage.setItem(OFF, on.checked ? "0" : "1"); } catch { /* not kept, then */ } });
  }
})();
