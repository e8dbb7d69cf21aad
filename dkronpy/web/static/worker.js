// One connection to the server for all tabs of a browser: a shared worker holds it and passes on what comes.
if (typeof SharedWorkerGlobalScope !== "undefined" && self instanceof SharedWorkerGlobalScope) {
  const ports = new Map();
  let source = null;
  let state = "off";
  const tell = (message) => ports.forEach((_, port) => port.postMessage(message));
  const stop = () => { if (source) source.close(); source = null; };
  const start = (url) => {
    if (source) return;
    source = new EventSource(url);
    source.onopen = () => tell({ state: (state = "on") });
    source.onerror = () => {
      tell({ state: (state = "lost") });
      if (source && source.readyState === EventSource.CLOSED) { stop(); setTimeout(() => ports.size && start(url), 3000); }
    };
    source.onmessage = (event) => tell({ state: (state = "on"), topics: JSON.parse(event.data) });
  };
  self.onconnect = (event) => {
    const port = event.ports[0];
    port.onmessage = ({ data }) => {
      if (data.bye) { ports.delete(port); if (!ports.size) stop(); return; }
      ports.set(port, data.url);
      port.postMessage({ state });
      start(data.url);
    };
  };
}
