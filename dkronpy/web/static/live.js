// Keeps the page up to date: what the server says has changed is asked for again, and morphed into place.
(() => {
  // A page may ask at once a few times; a flood of news costs it a fifth of its time, and at most 100 requests a minute.
  const REST = 80, LEAST = 120, SHARE = 0.2, MOST = 1000, HIDDEN = 30000;
  const base = document.body.dataset.base, mark = document.getElementById("live"), word = document.getElementById("live-word");
  if (!mark) return;
  const worker = document.querySelector("script[src]").src;
  let heard = 0, refreshed = 0, purse = MOST, counted = 0, timer = 0, busy = false, again = false, port = null, source = null, missed = false, leaving = false, caught = false;

  const show = (state) => {
    if (mark.dataset.state === state) return;
    mark.dataset.state = state;
    mark.firstElementChild.textContent = state === "on" ? "●" : "○";
    word.textContent = { on: "live", lost: "reconnecting", off: "not live", paused: "paused" }[state];
    if (state === "lost" && heard) word.textContent += `, as of ${new Date(Date.now() - performance.now() + heard).toLocaleTimeString("en-GB", { timeZone: document.getElementById("zone-name").textContent })}`;
  };
  const concerned = (topics) => {
    const part = document.querySelector("[data-live]");
    if (!part) return null;
    const wanted = part.dataset.live.split(" ");
    const hit = wanted.includes("all") ? topics.length : topics.some((one) => one === "all" || one === "store" || wanted.includes(one));
    return hit ? part : null;
  };
  const refresh = async () => {
    timer = 0;
    const part = document.querySelector("[data-live]");
    if (!part) return;
    if (busy) { again = true; return; }
    busy = true;
    const begun = performance.now();
    try { await htmx.ajax("GET", location.pathname + location.search, { target: part, select: "#part", swap: "outerMorph" }); } catch { /* the next message tries again */ }
    refreshed = performance.now();
    purse = Math.min(MOST, purse + SHARE * (begun - counted)) - Math.max(LEAST, refreshed - begun);
    counted = begun;
    busy = false;
    document.dispatchEvent(new CustomEvent("dk:refreshed"));
    if (again) { again = false; plan(); }
  };
  const plan = () => {
    if (timer || leaving) return;
    if (document.hidden) { missed = true; return; }
    const now = performance.now(), owed = Math.max(0, -purse - SHARE * (now - counted)) / SHARE;
    timer = setTimeout(refresh, Math.max(0, refreshed + REST - now, owed));
  };
  const message = ({ state, topics }) => {
    if (state) show(state);
    heard = performance.now();
    // What happened between the page's making and this connection was told to nobody.
    if (state === "on" && !caught) {
      caught = true;
      if (document.querySelector("[data-catch-up]")) topics = ["all"];
    }
    if (!topics) return;
    if (!topics.length) topics = ["tick"];
    document.dispatchEvent(new CustomEvent("dk:topics", { detail: topics }));
    if (concerned(topics)) plan();
  };
  const direct = () => {
    source = new EventSource(base + "/events");
    source.onopen = () => message({ state: "on" });
    source.onerror = () => show("lost");
    source.onmessage = (event) => message({ state: "on", topics: JSON.parse(event.data) });
  };
  const connect = () => {
    if (typeof SharedWorker === "undefined") { direct(); return; }
    try {
      port = new SharedWorker(worker, "dkronpy").port;
      port.onmessage = ({ data }) => message(data);
      port.postMessage({ url: new URL(base + "/events", location).href });
    } catch { direct(); }
  };
  const leave = () => { if (port) port.postMessage({ bye: true }); if (source) source.close(); port = source = null; };
  let sleeping = 0;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(sleeping);
    if (document.hidden) { sleeping = setTimeout(() => { leave(); show("paused"); missed = true; }, HIDDEN); return; }
    if (!port && !source) connect();
    if (missed) { missed = false; plan(); }
  });
  // A form that is on its way may delete what this page is about: what comes next is the answer to it.
  document.addEventListener("submit", (event) => { if (event.target.method === "dialog") return; leaving = true; clearTimeout(timer); timer = 0; });
  addEventListener("pagehide", leave);
  addEventListener("pageshow", (event) => { leaving = false; if (event.persisted && !port && !source) { connect(); plan(); } });
  setInterval(() => { if (mark.dataset.state === "on" && performance.now() - heard > 15000) show("lost"); }, 3000);
  window.dkronpy = { refresh: plan };
  connect();
})();
