// Keeps "3 min ago" and "running for 12 s" true while the page stands open, by the server's clock.
(() => {
  let offset = Number(document.body.dataset.now || 0) - Date.now();
  const units = [[86400, "d"], [3600, "h"], [60, "min"]];
  const distance = (ms, now) => {
    const seconds = Math.floor(Math.abs(ms - now) / 1000);
    if (seconds < 1) return "now";
    const unit = units.find(([size]) => seconds >= size);
    const amount = unit ? `${Math.floor(seconds / unit[0])} ${unit[1]}` : `${seconds} s`;
    return ms > now ? `in ${amount}` : `${amount} ago`;
  };
  const duration = (ms) => {
    let seconds = Math.round(ms / 1000);
    if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`;
    const parts = [];
    for (const [size, unit] of units) if (seconds >= size) { parts.push(`${Math.floor(seconds / size)} ${unit}`); seconds %= size; }
    if (seconds && parts.length < 2) parts.push(`${seconds} s`);
    return parts.slice(0, 2).join(" ");
  };
  const tick = () => {
    const now = Date.now() + offset;
    for (const one of document.querySelectorAll("time[data-ms]")) {
      const text = distance(Number(one.dataset.ms), now);
      if (one.textContent !== text) one.textContent = text;
    }
    for (const one of document.querySelectorAll("[data-since]")) one.textContent = duration(now - Number(one.dataset.since));
  };
  setInterval(() => { if (!document.hidden) tick(); }, 1000);
  document.addEventListener("dk:refreshed", tick);
  window.dkronpyMoments = { now: () => Date.now() + offset, distance, duration };
})();
