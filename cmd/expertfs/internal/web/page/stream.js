// The stream of events that the page lives on. EventSource cannot send a key, so
// the form of its events is read by hand.

// listen calls on(kind, data) for each event, until the signal ends it or the
// stream does. It throws an Error with the status of an answer that is none.
async function listen(key, signal, on) {
  const headers = key ? { Authorization: "Bearer " + key } : {};
  const answer = await fetch("events", { headers, signal, cache: "no-store" });
  if (!answer.ok) {
    throw Object.assign(new Error((await answer.json()).error), { status: answer.status });
  }
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    for (let end; (end = text.indexOf("\n\n")) >= 0; text = text.slice(end + 2)) {
      const [event, data] = text.slice(0, end).split("\n");
      on(event.slice("event: ".length), JSON.parse(data.slice("data: ".length)));
    }
  }
}

// follow listens for as long as the page is looked at, and comes back after every
// end. askKey is called where the server wants a key, and returns it.
export async function follow(on, onState, askKey) {
  let key = sessionStorage.getItem("expertfs-key") || "";
  let pause = 500;
  for (;;) {
    while (document.hidden) {
      await new Promise((done) => document.addEventListener("visibilitychange", done, { once: true }));
    }
    const end = new AbortController();
    const hide = () => document.hidden && end.abort();
    document.addEventListener("visibilitychange", hide);
    // The server speaks once a second at least.
    let heard = Date.now();
    const watchdog = setInterval(() => Date.now() - heard > 6000 && end.abort(), 1000);
    try {
      await listen(key, end.signal, (kind, data) => {
        heard = Date.now();
        pause = 500;
        onState("live");
        try {
          on(kind, data);
        } catch (e) {
          reportError(e); // a fault of the page must not look like one of the server
        }
      });
    } catch (e) {
      if (e.status === 401) {
        key = await askKey(key ? e.message : "");
        sessionStorage.setItem("expertfs-key", key);
        pause = 0;
      }
    } finally {
      clearInterval(watchdog);
      document.removeEventListener("visibilitychange", hide);
    }
    onState(document.hidden ? "paused" : "connecting");
    await new Promise((done) => setTimeout(done, pause));
    pause = Math.min(5000, 2 * pause || 500);
  }
}

// change asks the server to change the mount, and throws its reason if it does not.
export async function change(what) {
  const key = sessionStorage.getItem("expertfs-key");
  const headers = { "Content-Type": "application/json", "X-Expertfs": "1" };
  if (key) headers.Authorization = "Bearer " + key;
  const answer = await fetch("set", { method: "POST", headers, body: JSON.stringify(what) });
  if (!answer.ok) throw new Error((await answer.json()).error);
}
