// <duration-chart>: how long each run took, with the lines of its percentiles, drawn by uPlot.
(() => {
  const TALL = 260, NEAR = 9, DAY = 86400;
  const STEPS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, DAY, 2 * DAY, 7 * DAY];
  const say = (seconds) => {
    if (seconds === 0) return "0 s";
    if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
    if (seconds < 60) return `${Number(seconds.toFixed(1))} s`;
    if (seconds < 3600) return `${Number((seconds / 60).toFixed(1))} min`;
    return `${Number((seconds / 3600).toFixed(1))} h`;
  };
  class DurationChart extends HTMLElement {
    static observedAttributes = ["data-chart"];
    connectedCallback() {
      this.observer = new ResizeObserver(() => { if (this.plot) this.plot.setSize({ width: this.clientWidth, height: TALL }); else this.draw(); });
      this.observer.observe(this);
      this.themes = new MutationObserver(() => this.draw());
      this.themes.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
      this.setAttribute("role", "img");
      this.draw();
    }
    disconnectedCallback() { this.observer.disconnect(); this.themes.disconnect(); if (this.plot) this.plot.destroy(); this.plot = null; }
    attributeChangedCallback() { if (this.isConnected) this.draw(); }
    colour(name) {
      const probe = document.createElement("span");
      probe.className = "hidden";
      probe.style.color = `var(--${name})`;
      this.append(probe);
      const found = getComputedStyle(probe).color;
      probe.remove();
      return found;
    }
    draw() {
      const data = JSON.parse(this.dataset.chart), wide = this.clientWidth;
      if (!wide || !data.at.length) return;
      if (this.plot) this.plot.destroy();
      const of = (bad) => data.took.map((value, index) => (data.bad[index] === bad ? value : null));
      const points = (name, bad) => ({ label: name, stroke: this.colour(bad ? "bad" : "good"), paths: () => null, points: { show: true, size: bad ? 8 : 6, fill: this.colour(bad ? "bad" : "good") }, value: (_, value) => (value === null || value === undefined ? "–" : say(value)) });
      const line = (name, colour, dash) => ({ label: name, stroke: this.colour(colour), width: 1.5, dash, points: { show: false }, value: (_, value) => (value === null || value === undefined ? "–" : say(value)) });
      const zone = this.dataset.zone;
      const axis = { stroke: this.colour("quiet"), grid: { stroke: this.colour("edge"), width: 1 }, ticks: { stroke: this.colour("edge"), width: 1 }, font: "12px system-ui, sans-serif" };
      const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: zone }), date = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: zone });
      const when = (_, splits, __, ___, step) => splits.map((seconds) => (step >= DAY || clock.format(seconds * 1000) === "00:00" ? date : clock).format(seconds * 1000));
      const stamp = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", timeZone: zone });
      this.plot = new uPlot({
        width: wide, height: TALL, tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
        cursor: { y: false, drag: { x: true, y: false }, points: { size: 9 } },
        scales: { x: { range: (_, least, most) => { const room = (most - least) * 0.015 || 60; return [least - room, most + room]; } }, y: { range: (_, __, most) => [0, most * 1.06 || 1] } },
        series: [{ label: "Due", value: (_, seconds) => (seconds ? stamp.format(seconds * 1000) : "–") }, points("success", 0), points("failed", 1), line("p50", "ink"), line("p95", "quiet", [6, 4])],
        axes: [{ ...axis, values: when, space: 60 }, { ...axis, size: 66, incrs: STEPS, values: (_, values) => values.map(say) }],
      }, [data.at, of(0), of(1), data.p50, data.p95], this);
      this.plot.over.addEventListener("click", (event) => {
        if (this.plot.select.width > 0) return;
        let least = NEAR * NEAR, found = -1;
        data.at.forEach((at, index) => {
          const x = this.plot.valToPos(at, "x") - event.offsetX;
          if (Math.abs(x) > NEAR) return;
          const y = this.plot.valToPos(data.took[index], "y") - event.offsetY;
          if (x * x + y * y < least) { least = x * x + y * y; found = index; }
        });
        if (found >= 0) location.href = this.dataset.runs + encodeURIComponent(data.ids[found]);
      });
    }
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { for (const one of document.querySelectorAll("duration-chart")) one.draw(); });
  customElements.define("duration-chart", DurationChart);
})();
