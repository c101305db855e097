// The search runs in a Worker, which chromium does not start for a page of file://. There
// an iframe of the same page does its work.
class IFrameWorker extends EventTarget {
  constructor(url) {
    super();
    const frame = document.createElement("iframe");
    frame.hidden = true;
    document.body.append(frame);
    this.inside = frame.contentWindow;
    this.inside.postMessage = (data) => {
      const message = new MessageEvent("message", { data });
      this.dispatchEvent(message);
      this.onmessage?.(message);
    };
    const script = this.inside.document.createElement("script");
    script.src = url;
    this.loaded = new Promise((resolve) => (script.onload = resolve));
    this.inside.document.body.append(script);
  }
  postMessage(data) {
    this.loaded.then(() => this.inside.dispatchEvent(new MessageEvent("message", { data })));
  }
}
if (location.protocol === "file:") window.Worker = IFrameWorker;
