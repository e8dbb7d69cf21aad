// Finds in the output of a run: hits are painted, not marked up, so that the output stays as it came.
(() => {
  const MOST = 5000;
  const can = typeof Highlight !== "undefined" && CSS.highlights;
  let hits = [], at = -1, waiting = 0;
  const pre = () => document.querySelector("#log pre");
  const seen = (root) => document.createTreeWalker(root, NodeFilter.SHOW_TEXT | NodeFilter.SHOW_ELEMENT, (node) => // less what is left out
    node.nodeType === Node.TEXT_NODE ? NodeFilter.FILTER_ACCEPT : node.className === "out" ? NodeFilter.FILTER_REJECT : NodeFilter.FILTER_SKIP);
  const collect = (text) => {
    const root = pre(), nodes = [], starts = [];
    let whole = "";
    const walk = root.closest(".told.stderr") ? seen(root) : document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
    for (let node = walk.nextNode(); node; node = walk.nextNode()) { starts.push(whole.length); nodes.push(node); whole += node.data; }
    const lower = whole.toLowerCase(), wanted = text.toLowerCase(), found = [];
    if (lower.length !== whole.length) return found;
    const place = (offset) => {
      let low = 0, high = starts.length - 1;
      while (low < high) { const middle = (low + high + 1) >> 1; if (starts[middle] <= offset) low = middle; else high = middle - 1; }
      return [nodes[low], offset - starts[low]];
    };
    for (let from = lower.indexOf(wanted); from >= 0 && found.length < MOST; from = lower.indexOf(wanted, from + wanted.length)) {
      const range = document.createRange(), [first, begin] = place(from), [last, end] = place(from + wanted.length - 1);
      range.setStart(first, begin);
      range.setEnd(last, end + 1);
      found.push(range);
    }
    return found;
  };
  const show = (move) => {
    const said = document.getElementById("found-lines"), text = document.getElementById("find").value;
    const more = hits.length === MOST ? "+" : "";
    said.textContent = !text ? "" : hits.length ? `${at + 1} of ${hits.length}${more}` : "none";
    for (const id of ["find-back", "find-on"]) document.getElementById(id).hidden = !hits.length;
    if (can) {
      CSS.highlights.set("found", new Highlight(...hits));
      CSS.highlights.set("here", new Highlight(...(hits[at] ? [hits[at]] : [])));
    }
    if (move && hits[at]) {
      const log = document.getElementById("log"), box = hits[at].getBoundingClientRect(), frame = pre().getBoundingClientRect();
      if (log.press) log.press(false);
      pre().scrollTop += box.top - frame.top - frame.height / 2;
    }
  };
  const search = (move) => {
    const field = document.getElementById("find");
    if (!field || !pre()) return;
    const before = at;
    hits = field.value ? collect(field.value) : [];
    at = !hits.length ? -1 : move ? 0 : Math.min(Math.max(before, 0), hits.length - 1);
    show(move);
  };
  const step = (by) => { if (hits.length) { at = (at + by + hits.length) % hits.length; show(true); } };
  document.addEventListener("input", (event) => { if (event.target.id === "find") { clearTimeout(waiting); waiting = setTimeout(() => search(true), 120); } });
  document.addEventListener("keydown", (event) => { if (event.target.id === "find" && event.key === "Enter") { event.preventDefault(); step(event.shiftKey ? -1 : 1); } });
  document.addEventListener("click", (event) => { if (event.target.id === "find-back") step(-1); if (event.target.id === "find-on") step(1); });
  document.addEventListener("dk:output", () => { const field = document.getElementById("find"); if (field && field.value) { clearTimeout(waiting); waiting = setTimeout(() => search(false), 300); } });
})();
