// Searches that somebody wants to have at hand: kept in this browser, by page, under a name.
(() => {
  const key = () => `dkronpy-views-${document.getElementById("views").dataset.page}`;
  const read = () => { try { return JSON.parse(localStorage.getItem(key())) || {}; } catch { return {}; } };
  const write = (views) => { try { localStorage.setItem(key(), JSON.stringify(views)); } catch { /* not kept, then */ } show(); };
  const show = () => {
    const place = document.getElementById("views");
    if (!place) return;
    place.replaceChildren(...Object.entries(read()).map(([name, query]) => {
      const one = document.createElement("span"), link = document.createElement("a"), drop = document.createElement("button");
      one.className = "view";
      link.href = location.pathname + "?" + query;
      link.textContent = name;
      if (query === location.search.slice(1)) link.setAttribute("aria-current", "true");
      drop.type = "button";
      drop.className = "plain";
      drop.textContent = "×";
      drop.setAttribute("aria-label", `Forget ${name}`);
      drop.addEventListener("click", () => { const views = read(); delete views[name]; write(views); });
      one.append(link, drop);
      return one;
    }));
    place.hidden = !place.childElementCount;
  };
  document.addEventListener("submit", ({ target }) => {
    const ask = target.closest("#ask-view");
    if (!ask) return;
    const name = target.elements.name.value.trim();
    if (name) write({ ...read(), [name]: location.search.slice(1) });
    ask.open = false;
    target.reset();
  });
  document.addEventListener("dk:refreshed", show);
  show();
})();
