// <time-line>: draws runs and plans as bars on a canvas. Wheel and + - zoom in time, drag and arrows move, a click opens.
(() => {
  const ROW = 26, BAR = 14, TOP = 24, LEFT = 150, NARROW = 92, TONES = ["good", "bad", "busy", "mute", "warn"];
  const STEPS = [1, 5, 10, 30, 60, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400].map((s) => s * 1000);

  class TimeLine extends HTMLElement {
    static observedAttributes = ["data-timeline"];
    connectedCallback() {
      if (!this.shadowRoot) this.build();
      this.observer = new ResizeObserver(() => this.draw());
      this.observer.observe(this);
      this.themes = new MutationObserver(() => this.draw());
      this.themes.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (this.onTheme = () => this.draw()));
      this.timer = setInterval(() => { if (!document.hidden) this.draw(); }, 1000);
      this.read();
    }
    disconnectedCallback() {
      this.observer.disconnect();
      this.themes.disconnect();
      matchMedia("(prefers-color-scheme: dark)").removeEventListener("change", this.onTheme);
      clearInterval(this.timer);
    }
    attributeChangedCallback() { if (this.shadowRoot) this.read(); }

    build() {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(":host{display:block;position:relative}canvas{display:block;width:100%;border-radius:6px;touch-action:pan-y;cursor:default}canvas:focus-visible{outline:2px solid var(--link);outline-offset:2px}#tip{position:absolute;pointer-events:none;background:var(--ink);color:var(--panel);font-size:13px;padding:4px 9px;border-radius:6px;white-space:nowrap;z-index:3;max-width:90%;overflow:hidden;text-overflow:ellipsis}");
      const root = this.attachShadow({ mode: "open" });
      root.adoptedStyleSheets = [sheet];
      this.canvas = document.createElement("canvas");
      this.canvas.tabIndex = 0;
      this.canvas.setAttribute("role", "img");
      this.tip = document.createElement("div");
      this.tip.id = "tip";
      this.tip.hidden = true;
      this.tip.setAttribute("aria-hidden", "true");
      root.append(this.canvas, this.tip);
      this.view = null;
      this.boxes = [];
      this.listen();
    }
    read() {
      this.data = JSON.parse(this.dataset.timeline);
      this.loaded = dkronpyMoments.now();
      this.clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", timeZone: this.dataset.zone });
      this.short = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: this.dataset.zone });
      this.day = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", timeZone: this.dataset.zone });
      this.canvas.setAttribute("aria-label", this.getAttribute("aria-label") || "Timeline");
      this.draw();
    }
    window() {
      if (this.view) return this.view;
      const passed = this.data.chosen ? 0 : dkronpyMoments.now() - this.data.now;
      return [this.data.start + passed, this.data.end + passed];
    }
    colours() {
      const style = getComputedStyle(this), probe = document.createElement("span");
      this.shadowRoot.append(probe);
      const found = {};
      for (const name of [...TONES, "ink", "quiet", "edge", "panel", "mute-soft", "link"]) {
        probe.style.color = `var(--${name})`;
        found[name] = getComputedStyle(probe).color;
      }
      probe.remove();
      found.font = style.fontFamily;
      return found;
    }
    draw() {
      const data = this.data;
      if (!data || !this.isConnected) return;
      const wide = this.clientWidth;
      if (!wide) return;
      const left = wide < 560 ? NARROW : LEFT, tall = TOP + data.rows.length * ROW + 4, ratio = devicePixelRatio || 1;
      if (this.canvas.width !== Math.round(wide * ratio) || this.canvas.height !== Math.round(tall * ratio)) {
        this.canvas.width = Math.round(wide * ratio);
        this.canvas.height = Math.round(tall * ratio);
        this.canvas.style.height = `${tall}px`;
      }
      const c = this.canvas.getContext("2d"), colour = this.colours(), [from, to] = this.window();
      const x = (ms) => left + ((ms - from) / (to - from)) * (wide - left);
      this.scale = { from, to, left, wide };
      this.boxes = [];
      c.setTransform(ratio, 0, 0, ratio, 0, 0);
      c.clearRect(0, 0, wide, tall);
      c.font = `12px ${colour.font}`;
      c.textBaseline = "middle";
      this.grid(c, colour, x, { from, to, left, wide, tall });
      data.rows.forEach((name, row) => {
        const y = TOP + row * ROW;
        c.fillStyle = colour.edge;
        c.fillRect(name ? 0 : left, y - 0.5, wide, 1);
        if (!name) return;
        c.fillStyle = colour.ink;
        c.fillText(this.fit(c, name, left - 14), 4, y + ROW / 2 + 1);
        this.boxes.push({ x: 0, y, w: left - 10, h: ROW, link: data.links[row], text: name });
      });
      c.save();
      c.beginPath();
      c.rect(left, 0, wide - left, tall);
      c.clip();
      this.bars(c, colour, x, wide);
      const now = dkronpyMoments.now();
      c.fillStyle = colour.link;
      c.fillRect(Math.round(x(now)) - 0.5, TOP - 6, 1.5, tall);
      c.restore();
    }
    grid(c, colour, x, { from, to, left, wide, tall }) {
      const step = STEPS.find((one) => ((wide - left) * one) / (to - from) > 74) || STEPS[STEPS.length - 1];
      const zone = this.offset(from);
      c.textAlign = "center";
      for (let at = Math.ceil((from + zone) / step) * step - zone; at < to; at += step) {
        const at_x = Math.round(x(at));
        c.fillStyle = colour.edge;
        c.fillRect(at_x, TOP - 4, 1, tall);
        c.fillStyle = colour.quiet;
        const midnight = (at + zone) % 86400000 === 0;
        if (at_x > left + 18 && at_x < wide - 18) c.fillText(midnight ? this.day.format(at) : step < 60000 ? this.clock.format(at) : this.short.format(at), at_x, 9);
      }
      c.textAlign = "left";
    }
    offset(ms) {
      const parts = new Intl.DateTimeFormat("en-US", { timeZone: this.dataset.zone, timeZoneName: "longOffset" }).formatToParts(ms);
      const found = /GMT(?:([+-])(\d\d):?(\d\d)?)?/.exec(parts.find((part) => part.type === "timeZoneName").value);
      return found && found[1] ? (found[1] === "-" ? -1 : 1) * (Number(found[2]) * 60 + Number(found[3] || 0)) * 60000 : 0;
    }
    bars(c, colour, x, wide) {
      const { rows, spans, plans, bands, named } = this.data, now = dkronpyMoments.now(), y = (row) => TOP + row * ROW + (ROW - BAR) / 2;
      c.fillStyle = colour["mute-soft"];
      for (const [row, begin, end] of bands) {
        const bx = Math.max(x(begin), x(now));
        c.fillRect(bx, y(row) + 3, x(end) - bx, BAR - 6);
        this.boxes.push({ x: bx, y: y(row), w: x(end) - bx, h: BAR, link: this.data.links[row], text: `${rows[row]}: due all the time` });
      }
      c.strokeStyle = colour.mute;
      c.lineWidth = 1;
      for (const [row, begin, end] of plans) {
        if (begin < now) continue;
        const bx = x(begin), w = Math.max(5, x(end) - bx);
        c.strokeRect(Math.round(bx) + 0.5, y(row) + 0.5, w, BAR - 1);
        this.boxes.push({ x: bx, y: y(row), w, h: BAR, link: this.data.links[row], text: `${rows[row]}: due ${this.clock.format(begin)}, ${dkronpyMoments.distance(begin, now)}` });
      }
      for (const [row, begin, end, tone, id, word] of [...spans].reverse()) {
        const bx = x(begin), until = end || now, w = Math.max(3, x(until) - bx);
        if (bx + w < 0 || bx > wide) continue;
        c.fillStyle = colour[TONES[tone]];
        if (TONES[tone] === "mute" || TONES[tone] === "warn") { c.strokeStyle = c.fillStyle; c.lineWidth = 1.5; c.strokeRect(bx + 0.75, y(row) + 0.75, Math.max(4, w) - 1.5, BAR - 1.5); }
        else { c.beginPath(); c.roundRect(bx, y(row), w, BAR, Math.min(3, w / 2)); c.fill(); }
        if (named) this.name(c, TONES[tone] === "mute" || TONES[tone] === "warn" ? colour.ink : colour.panel, [colour.font, id.split("@")[0]], bx, w, y(row));
        const took = end ? `took ${dkronpyMoments.duration(end - begin)}` : `for ${dkronpyMoments.duration(now - begin)}`;
        this.boxes.push({ x: bx - 2, y: y(row), w: w + 4, h: BAR, link: this.dataset.runs + encodeURIComponent(id), text: `${id.split("@")[0]}: ${word} ${this.clock.format(begin)}, ${took}` });
      }
    }
    name(c, ink, [font, text], bx, w, y) {
      const from = Math.max(bx, this.scale.left) + 5, most = bx + w - from - 4;
      if (most < 24) return;
      c.fillStyle = ink;
      c.font = `11px ${font}`;
      c.fillText(this.fit(c, text, most), from, y + BAR / 2 + 0.5);
      c.font = `12px ${font}`;
    }
    fit(c, text, most) {
      if (c.measureText(text).width <= most) return text;
      let cut = text;
      while (cut.length > 1 && c.measureText(cut + "…").width > most) cut = cut.slice(0, -1);
      return cut + "…";
    }
    at(event) {
      const box = this.canvas.getBoundingClientRect(), px = event.clientX - box.left, py = event.clientY - box.top;
      for (let index = this.boxes.length - 1; index >= 0; index--) {
        const one = this.boxes[index];
        if (px >= one.x && px <= one.x + one.w && py >= one.y && py <= one.y + one.h) return [one, px, py];
      }
      return [null, px, py];
    }
    move(by) { const [from, to] = this.window(); this.view = [from + by, to + by]; this.draw(); }
    zoom(factor, px) {
      const { from, to, left, wide } = this.scale, at = from + ((px - left) / (wide - left)) * (to - from);
      const span = Math.min(7 * 86400000, Math.max(5000, (to - from) * factor)), share = (at - from) / (to - from);
      this.view = [at - span * share, at + span * (1 - share)];
      this.draw();
    }
    listen() {
      let held = null, moved = false;
      this.canvas.addEventListener("pointerdown", (event) => { held = [event.clientX, ...this.window()]; moved = false; });
      addEventListener("pointerup", () => { held = null; });
      this.canvas.addEventListener("pointermove", (event) => {
        if (held && Math.abs(event.clientX - held[0]) > 3) {
          const by = ((held[0] - event.clientX) * (held[2] - held[1])) / (this.scale.wide - this.scale.left);
          moved = true;
          this.view = [held[1] + by, held[2] + by];
          this.draw();
          return;
        }
        const [box, px, py] = this.at(event);
        this.canvas.style.cursor = box ? "pointer" : "grab";
        this.tip.hidden = !box;
        if (box) {
          this.tip.textContent = box.text;
          this.tip.style.left = `${Math.max(0, Math.min(px + 12, this.clientWidth - this.tip.offsetWidth - 4))}px`;
          this.tip.style.top = `${py + 16}px`;
        }
      });
      this.canvas.addEventListener("pointerleave", () => { this.tip.hidden = true; });
      this.canvas.addEventListener("click", (event) => { const [box] = this.at(event); if (box && !moved) location.href = box.link; });
      this.canvas.addEventListener("dblclick", () => { this.view = null; this.draw(); });
      this.canvas.addEventListener("wheel", (event) => {
        if (!event.ctrlKey && !event.shiftKey && document.activeElement !== this && !this.shadowRoot.activeElement) return;
        event.preventDefault();
        this.zoom(event.deltaY > 0 ? 1.25 : 0.8, event.offsetX);
      }, { passive: false });
      this.canvas.addEventListener("keydown", (event) => {
        const [from, to] = this.window(), middle = (this.scale.left + this.scale.wide) / 2;
        const act = { ArrowLeft: () => this.move((from - to) / 8), ArrowRight: () => this.move((to - from) / 8), "+": () => this.zoom(0.7, middle), "=": () => this.zoom(0.7, middle), "-": () => this.zoom(1.4, middle), 0: () => { this.view = null; this.draw(); } }[event.key];
        if (act) { event.preventDefault(); event.stopPropagation(); act(); }
      });
    }
  }
  customElements.define("time-line", TimeLine);
})();
