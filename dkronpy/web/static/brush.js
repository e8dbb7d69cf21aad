// <time-brush>: a strip of the time around a timeline; what is dragged over becomes the window, a drag of the window moves it.
(() => {
  const TALL = 46, BASE = 32, NEAR = 5;
  class TimeBrush extends HTMLElement {
    static observedAttributes = ["data-strip", "data-from", "data-to"];
    connectedCallback() {
      if (!this.canvas) {
        this.canvas = document.createElement("canvas");
        this.canvas.setAttribute("role", "img");
        this.append(this.canvas);
        this.listen();
      }
      this.sizes = new ResizeObserver(() => this.draw());
      this.sizes.observe(this);
      this.themes = new MutationObserver(() => this.draw());
      this.themes.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
      this.draw();
    }
    disconnectedCallback() { this.sizes.disconnect(); this.themes.disconnect(); }
    attributeChangedCallback() { if (this.canvas && !this.held) this.draw(); }
    colour(name) { return getComputedStyle(this).getPropertyValue(`--${name}`); }
    draw() {
      const wide = this.clientWidth;
      if (!wide) return;
      const strip = JSON.parse(this.dataset.strip), ratio = devicePixelRatio || 1, c = this.canvas.getContext("2d");
      this.strip = strip;
      this.chosen = this.chosen && this.held ? this.chosen : [Number(this.dataset.from), Number(this.dataset.to)];
      this.canvas.setAttribute("aria-label", this.getAttribute("aria-label"));
      this.canvas.width = Math.round(wide * ratio);
      this.canvas.height = Math.round(TALL * ratio);
      c.setTransform(ratio, 0, 0, ratio, 0, 0);
      const paint = this.paints();
      const most = Math.max(1, ...strip.good.map((good, index) => good + strip.bad[index])), step = wide / strip.good.length;
      const [from, to] = this.chosen.map((ms) => this.x(ms));
      c.fillStyle = paint["busy-soft"];
      c.fillRect(from, 0, Math.max(3, to - from), BASE);
      strip.good.forEach((good, index) => {
        const all = good + strip.bad[index], scale = (n) => (n ? Math.max(2, (n / most) * (BASE - 6)) : 0);
        const high = scale(all), low = scale(strip.bad[index]);
        c.fillStyle = paint.good;
        c.fillRect(index * step + 0.5, BASE - high, Math.max(1, step - 1), high);
        c.fillStyle = paint.bad;
        c.fillRect(index * step + 0.5, BASE - low, Math.max(1, step - 1), low);
      });
      c.fillStyle = paint.edge;
      c.fillRect(0, BASE, wide, 1);
      c.fillStyle = paint.link;
      for (const edge of [from, to]) c.fillRect(Math.min(wide - 2, Math.max(0, edge - 1)), 0, 2, BASE);
      c.fillStyle = paint.quiet;
      c.font = `11px ${getComputedStyle(this).fontFamily}`;
      const say = new Intl.DateTimeFormat("en-GB", { weekday: "short", hour: "2-digit", minute: "2-digit", timeZone: this.dataset.zone });
      const labels = Math.max(2, Math.floor(wide / 150));
      for (let number = 0; number < labels; number++) {
        c.textAlign = number === 0 ? "left" : number === labels - 1 ? "right" : "center";
        c.fillText(say.format(strip.start + ((strip.end - strip.start) * number) / (labels - 1)), (wide * number) / (labels - 1), TALL - 2);
      }
    }
    paints() {
      const probe = document.createElement("span"), found = {};
      this.append(probe);
      for (const name of ["good", "bad", "busy-soft", "edge", "link", "quiet"]) { probe.style.color = `var(--${name})`; found[name] = getComputedStyle(probe).color; }
      probe.remove();
      return found;
    }
    x(ms) { return ((ms - this.strip.start) / (this.strip.end - this.strip.start)) * this.clientWidth; }
    ms(x) { return Math.round(this.strip.start + (x / this.clientWidth) * (this.strip.end - this.strip.start)); }
    listen() {
      this.canvas.addEventListener("pointerdown", (event) => {
        const [from, to] = this.chosen.map((ms) => this.x(ms));
        this.held = { x: event.offsetX, inside: event.offsetX > from && event.offsetX < to, was: this.chosen };
        this.canvas.setPointerCapture(event.pointerId);
      });
      this.canvas.addEventListener("pointermove", (event) => {
        const { held } = this, x = Math.max(0, Math.min(this.clientWidth, event.offsetX));
        if (!held || Math.abs(x - held.x) < NEAR) return;
        held.moved = true;
        if (held.inside) { const by = this.ms(x) - this.ms(held.x); this.chosen = held.was.map((ms) => ms + by); }
        else this.chosen = [Math.min(x, held.x), Math.max(x, held.x)].map((one) => this.ms(one));
        this.draw();
      });
      this.canvas.addEventListener("pointerup", () => {
        const { held } = this;
        this.held = null;
        if (held && held.moved && this.chosen[1] - this.chosen[0] >= 10000) location.href = this.dataset.go.replace("FROM", this.chosen[0]).replace("TO", this.chosen[1]);
        else this.draw();
      });
    }
  }
  customElements.define("time-brush", TimeBrush);
})();
