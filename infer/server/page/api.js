// The server's own API, as any client uses it.

export const key = {
  get: () => sessionStorage.getItem("gptoss-key") || "",
  set: (value) => sessionStorage.setItem("gptoss-key", value),
};

// ask sends a request. An answer that is none becomes an Error with its status.
async function ask(path, options = {}) {
  const headers = { "Content-Type": "application/json" };
  if (key.get()) headers.Authorization = "Bearer " + key.get();
  const answer = await fetch(path, { ...options, headers });
  if (!answer.ok) {
    const text = await answer.text();
    let message = text;
    try {
      message = JSON.parse(text).error.message;
    } catch {
      // It is not of the server.
    }
    throw Object.assign(new Error(message || answer.statusText), { status: answer.status });
  }
  return answer;
}

export const getJSON = async (path) => (await ask(path)).json();

// chat streams an answer: on(delta, chunk) is called for each piece. It returns
// the chunk that the figures came with. A stream without its end is an error.
export async function chat(request, signal, on) {
  const body = JSON.stringify({ ...request, stream: true, stream_options: { include_usage: true } });
  const answer = await ask("v1/chat/completions", { method: "POST", body, signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "", last = {};
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new TypeError("the stream has no end");
    text += value;
    const lines = text.split("\n");
    text = lines.pop();
    for (const line of lines) {
      const data = line.startsWith("data: ") ? line.slice(6).trim() : "";
      if (data === "[DONE]") return last;
      if (!data) continue;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new Error(chunk.error.message);
      if (chunk.timings) last = chunk;
      for (const choice of chunk.choices || []) on(choice.delta || {}, choice);
    }
  }
}
