// Small things: the browser's time zone, the theme without a reload, copying, and how many jobs are chosen.
(() => {
  const base = document.body.dataset.base;
  const keep = (name, value) => { document.cookie = `${name}=${value}; path=${base}; max-age=31536000; samesite=strict`; };
  if ("zoneUnknown" in document.body.dataset) {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (zone && navigator.cookieEnabled) keep("dkronpy_zone", zone);
    const renewed = () => { // a log is left alone where a page is renewed; it has waited for this and begins anew
      delete document.body.dataset.zoneUnknown;
      const log = document.getElementById("log");
      if (log && log.reload) log.reload();
    };
    if (zone && zone !== "UTC" && document.cookie.includes("dkronpy_zone")) {
      htmx.ajax("GET", location.pathname + location.search, { target: "#main", select: "#main", swap: "outerMorph" })
        .then(() => document.dispatchEvent(new CustomEvent("dk:refreshed"))).finally(renewed);
      document.getElementById("zone-name").textContent = zone;
      const other = document.getElementById("zone-switch");
      other.value = "UTC";
      other.textContent = "in UTC";
    } else renewed();
  }
  const current = document.querySelector('.top [aria-current="page"]'), bar = current && current.closest("nav");
  if (bar && bar.scrollWidth > bar.clientWidth) bar.scrollLeft = current.offsetLeft - bar.offsetLeft - 60;
  const theme = document.getElementById("theme");
  theme.addEventListener("click", (event) => {
    event.preventDefault();
    const root = document.documentElement, dark = root.dataset.theme === "dark" || (root.dataset.theme === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
    root.dataset.theme = dark ? "light" : "dark";
    keep("dkronpy_theme", root.dataset.theme);
  });
  const copied = async (button) => {
    const text = button.dataset.copy;
    try { await navigator.clipboard.writeText(text); } catch {
      const field = document.createElement("textarea");
      field.value = text;
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    const said = button.dataset.said || (button.dataset.said = button.textContent);
    button.textContent = "copied";
    setTimeout(() => { button.textContent = said; }, 1500);
  };
  // What is typed into a definition is checked by the server, which answers with the form: of that, "what it means" is shown.
  const definition = document.querySelector("form[data-check]");
  if (definition) {
    let waiting = 0, asked = 0;
    const check = async () => {
      const number = ++asked;
      try {
        const answer = await fetch(definition.dataset.check, { method: "POST", body: new URLSearchParams(new FormData(definition)) });
        const found = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("means");
        if (number === asked && found) document.getElementById("means").replaceChildren(...found.childNodes);
      } catch { /* the next letter asks again */ }
    };
    if (definition.querySelector("textarea.code")) check();
    definition.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(check, 250); });
  }
  const count = () => {
    const said = document.getElementById("chosen");
    if (!said) return;
    const all = document.querySelectorAll("[data-tick]"), ticked = [...all].filter((one) => one.checked).length;
    const text = ticked ? `${ticked} chosen` : "Tick jobs to act on several.";
    if (said.textContent !== text) said.textContent = text;
    const every = document.getElementById("all");
    if (every) { every.checked = ticked > 0 && ticked === all.length; every.indeterminate = ticked > 0 && ticked < all.length; }
    document.getElementById("bulk-bar").toggleAttribute("data-chosen", ticked > 0);
    for (const button of document.querySelectorAll("#bulk-bar button")) button.disabled = !ticked;
  };
  document.addEventListener("change", (event) => {
    if (event.target.id === "all") for (const one of document.querySelectorAll("[data-tick]")) one.checked = event.target.checked;
    count();
  });
  document.addEventListener("dk:refreshed", count);
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element && event.target.closest("[data-copy]");
    if (button) copied(button);
    for (const ask of document.querySelectorAll("details.ask[open]")) if (!ask.contains(event.target)) ask.open = false;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") for (const ask of document.querySelectorAll("details.ask[open]")) { ask.open = false; ask.querySelector("summary").focus(); }
  });
  count();
})();
