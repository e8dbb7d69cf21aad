// <run-log>: follows the output of an attempt. Ids are byte offsets, so that a cut connection leaves no hole.
(() => {
  const LINES = 500;
  class RunLog extends HTMLElement {
    connectedCallback() {
      this.pre = this.querySelector("pre");
      this.lines = 0;
      this.follows = true;
      this.pre.addEventListener("scroll", () => { if (!this.placing) this.press(this.atEnd()); });
      if (this.dataset.follow && !("zoneUnknown" in document.body.dataset)) this.follow();
      if (this.dataset.wait) {
        this.onTopics = ({ detail }) => { if (detail.includes(this.dataset.wait) || detail.includes("all")) this.reload(); };
        document.addEventListener("dk:topics", this.onTopics);
      }
      if (remembered(STRAIGHT)) wrap(this, false);
      if (remembered(TIMES)) times(this, true);
      if (remembered(STDERR)) stderr(this, true);
      this.toEnd();
    }
    disconnectedCallback() {
      if (this.source) this.source.close();
      if (this.onTopics) document.removeEventListener("dk:topics", this.onTopics);
    }
    follow() {
      this.source = new EventSource(`${this.dataset.follow}?from=${this.dataset.size}`);
      this.source.addEventListener("output", (event) => {
        this.dataset.size = event.lastEventId;
        this.add(JSON.parse(event.data));
      });
      this.source.onerror = () => { // a browser gives up by itself where a proxy answers in the server's stead
        if (this.source.readyState === EventSource.CLOSED && this.isConnected) setTimeout(() => this.follow(), 2000);
      };
      this.source.addEventListener("end", () => { this.source.close(); setTimeout(() => this.reload(), 150); });
    }
    add(html) {
      if (!html) return;
      const empty = document.getElementById("no-output");
      if (empty) empty.hidden = true;
      if (!this.block || (this.lines > LINES && this.ended)) {
        this.block = document.createElement("div");
        this.block.className = "block";
        this.pre.append(this.block);
        this.lines = 0;
      }
      // The server has escaped every character of it; see dkronpy.web.ansi.
      this.block.insertAdjacentHTML("beforeend", html);
      if (html.includes('<span class="err"')) tell(this);
      document.dispatchEvent(new CustomEvent("dk:output"));
      this.lines += html.split("\n").length - 1;
      this.ended = /\n(<\/span>)*$/.test(html);
      if (!this.planned) { this.planned = true; requestAnimationFrame(() => { this.planned = false; this.toEnd(); }); }
    }
    atEnd() { return this.pre.scrollHeight - this.pre.scrollTop - this.pre.clientHeight < 30; }
    toEnd() {
      if (!this.follows) return;
      this.placing = true;
      this.pre.scrollTop = this.pre.scrollHeight;
      requestAnimationFrame(() => { this.placing = false; });
    }
    press(on) {
      this.follows = on;
      const button = document.getElementById("follow");
      if (button) button.setAttribute("aria-pressed", String(on));
    }
    toggle() { this.press(!this.follows); this.toEnd(); }
    async reload() {
      const place = document.getElementById("output");
      if (!place || this.reloading) return;
      this.reloading = true;
      place.setAttribute("aria-busy", "true"); // until the fresh one stands in its place
      const top = this.pre.scrollTop, follows = this.follows;
      await htmx.ajax("GET", location.pathname + location.search, { target: place, select: "#output", swap: "outerHTML" });
      window.dkronpy.refresh();
      const fresh = document.getElementById("log");
      if (fresh && !follows) { fresh.follows = false; fresh.pre.scrollTop = top; }
      this.reloading = false;
    }
  }
  const STRAIGHT = "dkronpy-log-straight", TIMES = "dkronpy-log-times", STDERR = "dkronpy-log-stderr";
  const set = (id, on, key, kept) => {
    const button = document.getElementById(id);
    if (button) button.setAttribute("aria-pressed", String(on));
    try { localStorage.setItem(key, kept ? "1" : "0"); } catch { /* not kept, then */ }
  };
  const wrap = (log, on) => { log.classList.toggle("straight", !on); set("wrap", on, STRAIGHT, !on); };
  const times = (log, on) => { log.classList.toggle("times", on); set("times", on, TIMES, on); };
  const stderr = (log, on) => { log.classList.toggle("stderr", on); set("stderr", on, STDERR, on); };
  const tell = (log) => { // from the first of its standard error on there is something to choose
    log.classList.add("told");
    const button = document.getElementById("stderr");
    if (button) button.hidden = false;
  };
  const remembered = (key) => { try { return localStorage.getItem(key) === "1"; } catch { return false; } };
  customElements.define("run-log", RunLog);
  document.addEventListener("click", (event) => {
    const log = document.getElementById("log");
    if (!log || !(event.target instanceof Element)) return;
    if (event.target.id === "follow") log.toggle();
    if (event.target.id === "wrap") {
      wrap(log, log.classList.contains("straight"));
    }
    if (event.target.id === "times") {
      times(log, !log.classList.contains("times"));
      log.toEnd();
    }
    if (event.target.id === "stderr") {
      stderr(log, !log.classList.contains("stderr"));
      log.toEnd();
      document.dispatchEvent(new CustomEvent("dk:output"));
    }
  });
})();
