// The chat page: what it shows, and what its buttons do.

import { chat as stream, getJSON, key } from "./api.js";
import { render } from "./markdown.js";
import { store } from "./store.js";

const $ = (id) => document.getElementById(id);
function make(name, className, ...children) {
  const e = document.createElement(name);
  e.className = className;
  e.append(...children);
  return e;
}
function button(text, onclick, className = "plain") {
  return Object.assign(make("button", className, text), { type: "button", onclick });
}
const count = (n) => n.toLocaleString("en");

let now; // the conversation that is shown
let running; // what ends the answer under way

// Conversations.

function listChats() {
  $("chats").replaceChildren(...store.chats.filter((c) => c.messages.length || c === now).map((c) => {
    const drop = button("✕", () => remove(c), "plain drop");
    drop.setAttribute("aria-label", "Delete " + c.title);
    return make("li", c === now ? "now" : "", button(c.title, () => show(c), "plain name"), drop);
  }));
}

function remove(c) {
  if (!confirm(`Delete "${c.title}"?`)) return;
  if (c === now) running?.abort();
  store.drop(c);
  show(c === now ? store.chats[0] || store.make() : now);
}

function show(c) {
  if (c !== now) running?.abort();
  now = c;
  side(false);
  listChats();
  $("title").textContent = c.title;
  draw();
  $("prompt").focus();
}

function draw() {
  const box = $("messages");
  box.replaceChildren(...now.messages.map((m, i) => (m.role === "user" ? userTurn(m, i) : assistantTurn(m, i).box)));
  if (!now.messages.length) {
    box.append(make("div", "empty quiet", make("h2", "", "What is it about?"), "The model runs on this server, and so does this page."));
  }
  $("scroll").scrollTop = $("scroll").scrollHeight;
}

function userTurn(m, i) {
  const body = make("div", "body", m.content);
  const foot = make("div", "foot", button("Edit", () => edit(box, body, m, i)), button("Copy", () => copy(m.content)));
  const box = make("div", "turn user", body, foot);
  return box;
}

// edit has a question written anew; what came after it is asked again.
function edit(box, body, m, i) {
  const field = Object.assign(make("textarea", ""), { value: m.content, rows: Math.min(12, m.content.split("\n").length + 1) });
  field.setAttribute("aria-label", "Edit the message");
  const send = () => {
    if (!field.value.trim()) return;
    now.messages.length = i;
    ask(field.value.trim());
  };
  field.onkeydown = (e) => {
    if (e.key === "Enter" && !e.shiftKey && !e.isComposing) { e.preventDefault(); send(); }
    if (e.key === "Escape") draw();
  };
  box.replaceChildren(field, make("div", "foot", button("Send", send), button("Cancel", draw)));
  field.focus();
}

function assistantTurn(m, i) {
  const thought = make("div", "thought");
  const summary = make("summary", "", "Reasoning");
  const thinking = make("details", "", summary, thought);
  const body = make("div", "body");
  const foot = make("div", "foot");
  const box = make("div", "turn assistant", thinking, body, foot);
  const turn = { box, update };
  // update shows what there is so far; busy is what the model does now, if anything.
  function update(busy) {
    thinking.hidden = !m.reasoning;
    thought.textContent = m.reasoning || "";
    summary.textContent = busy === "thinking" ? "Reasoning …" : "Reasoning";
    body.replaceChildren(...render(m.content || ""));
    foot.replaceChildren();
    if (busy) foot.append(make("span", "wait", { reading: "reading the prompt", thinking: "thinking", writing: "writing" }[busy]));
    if (m.error) foot.append(make("span", "error", m.error));
    if (m.figures) foot.append(make("span", "figures", m.figures));
    if (busy) return;
    foot.append(button("Copy", () => copy(m.content)), button("Again", () => { now.messages.length = i; answer(); }));
  }
  update();
  return turn;
}

// copy works without a secure connection too, where the clipboard is not to be had
// otherwise.
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = Object.assign(make("textarea", ""), { value: text });
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

// Answers.

function ask(text) {
  if (running) return;
  now.messages.push({ role: "user", content: text });
  if (now.messages.length === 1) now.title = text.length > 60 ? text.slice(0, 60) + "…" : text;
  $("title").textContent = now.title;
  answer();
}

async function answer() {
  if (running) return;
  const chat = now, m = { role: "assistant", content: "", reasoning: "" };
  const request = { messages: chat.messages.filter((x) => !x.error || x.content).map(({ role, content }) => ({ role, content })), reasoning_effort: $("effort").value };
  chat.messages.push(m);
  store.touch(chat);
  listChats();
  draw();
  let turn = $("messages").lastChild;
  const shown = assistantTurn(m, chat.messages.length - 1);
  turn.replaceWith(shown.box);
  running = new AbortController();
  buttons();

  let busy = "reading", due = false;
  const paint = () => {
    due = false;
    if (!running || chat !== now) return;
    const end = $("scroll"), follows = end.scrollHeight - end.scrollTop - end.clientHeight < 60;
    shown.update(busy);
    if (follows) end.scrollTop = end.scrollHeight;
  };
  const soon = () => { if (!due) { due = true; requestAnimationFrame(paint); } };
  soon();
  const before = await uses();
  try {
    const last = await stream(request, running.signal, (delta, choice) => {
      const thought = delta.reasoning_content || delta.reasoning;
      if (thought) { m.reasoning += thought; busy = "thinking"; }
      if (delta.content) { m.content += delta.content; busy = "writing"; }
      if (choice.finish_reason === "length") m.error = "the answer has met the end of the context";
      soon();
    });
    m.figures = figures(last.timings, before, await uses());
  } catch (e) {
    if (e.name === "AbortError") m.error = "stopped";
    else if (e.status === 401) { await askKey(); m.error = "asked without the key: Again asks once more"; }
    else m.error = e.message;
  }
  running = null;
  store.save();
  buttons();
  if (chat === now) shown.update();
}

// uses are the uses of experts of the mount so far, null for a plain folder.
async function uses() {
  try {
    return await getJSON("experts");
  } catch {
    return null;
  }
}

// figures tells how fast an answer came, and what did not have to be computed or
// read for it.
function figures(t, before, after) {
  if (!t) return "";
  const parts = [`${t.predicted_per_second.toFixed(1)} tokens/s`, `${count(t.predicted_n)} tokens`];
  const reused = t.cache_n ? `, ${count(t.cache_n)} of them kept` : "";
  parts.push(`prompt ${count(t.prompt_n + t.cache_n)}${reused}, ${count(Math.round(t.prompt_per_second))}/s`);
  if (before && after) {
    const used = (u) => u.hits + u.misses + u.joins;
    const all = used(after) - used(before), missed = after.misses - before.misses;
    if (all > 0) parts.push(`experts: ${((100 * (all - missed)) / all).toFixed(1)}% hits of ${count(all)}`);
  }
  return parts.join(" · ");
}

function buttons() {
  $("send").hidden = Boolean(running);
  $("stop").hidden = !running;
  $("send").disabled = !$("prompt").value.trim();
}

// The composer.

const field = $("prompt");
function fit() {
  field.style.height = "auto";
  field.style.height = field.scrollHeight + "px";
  buttons();
}
const sends = (e) => e.key === "Enter" && !e.shiftKey && !e.isComposing;
field.oninput = fit;
field.onkeydown = (e) => {
  if (!sends(e)) return;
  e.preventDefault();
  $("composer").requestSubmit();
};
field.onkeypress = (e) => { if (sends(e)) e.preventDefault(); }; // where a keyboard sends the two apart
$("composer").onsubmit = (e) => {
  e.preventDefault();
  const text = field.value.trim();
  if (!text || running) return;
  field.value = "";
  fit();
  ask(text);
};
$("stop").onclick = () => running?.abort();
document.addEventListener("keydown", (e) => { if (e.key === "Escape" && !document.querySelector("dialog[open]")) running?.abort(); });

// The rest of the window.

function side(open) {
  $("side").classList.toggle("open", open);
  $("shade").hidden = !open;
}
$("menu").onclick = () => side(true);
$("close").onclick = $("shade").onclick = () => side(false);
$("new").onclick = () => show(store.chats.find((c) => !c.messages.length) || store.make());

const root = document.documentElement;
root.dataset.theme = localStorage.getItem("gptoss-theme") || "";
$("theme").onclick = () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  localStorage.setItem("gptoss-theme", root.dataset.theme);
};
$("effort").value = localStorage.getItem("gptoss-effort") || "medium";
$("effort").onchange = () => localStorage.setItem("gptoss-effort", $("effort").value);

function askKey() {
  if (key.get()) $("key-error").textContent = "The key is wrong.";
  $("key").value = "";
  $("key-dialog").showModal();
  return new Promise((done) => $("key-dialog").addEventListener("close", () => { key.set($("key").value.trim()); done(); }, { once: true }));
}

// begin learns the model's name, and waits until it is loaded.
async function begin() {
  for (;;) {
    try {
      const { data } = await getJSON("v1/models");
      $("model").textContent = data[0].id;
      document.title = data[0].id;
      break;
    } catch (e) {
      if (e.status === 401) await askKey();
      else await new Promise((done) => setTimeout(done, 1000));
    }
  }
  for (;;) {
    const answer = await fetch("health").then((r) => r.json(), () => ({ status: "away" }));
    $("state").hidden = answer.status === "ok";
    $("state").textContent = { loading: "the model is being loaded", draining: "the server is ending", away: "the server does not answer" }[answer.status] || answer.status;
    await new Promise((done) => setTimeout(done, answer.status === "ok" ? 10000 : 1000));
  }
}

store.load();
show(store.chats[0] || store.make());
fit();
begin();
