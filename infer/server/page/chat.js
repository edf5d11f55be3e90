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
let live; // the message of that answer, and its turn

// Conversations.

function listChats() {
  $("chats").replaceChildren(...store.chats.filter((c) => c.messages.length || c === now).map((c) => {
    const drop = button("✕", () => remove(c), "plain drop");
    drop.setAttribute("aria-label", "Delete " + c.title);
    const name = button(c.title, () => show(c), "plain name");
    name.dir = "auto";
    if (c === now) name.setAttribute("aria-current", "true");
    return make("li", c === now ? "now" : "", name, drop);
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
  $("said").textContent = "";
  now = c;
  side(false);
  listChats();
  $("title").textContent = c.title;
  draw();
  toPrompt();
}

// toPrompt has the next key go to the composer; on a phone that would open the keyboard.
function toPrompt() {
  if (!matchMedia("(pointer: coarse)").matches) field.focus();
}

function draw() {
  const box = $("messages");
  box.replaceChildren(...now.messages.map((m, i) => (m.role === "user" ? userTurn(m, i) : m === live?.message ? live.turn.box : assistantTurn(m, i).box)));
  if (!now.messages.length) {
    box.append(make("div", "empty quiet", make("h2", "", "What is it about?"), "The model runs on this server, and so does this page."));
  }
  $("scroll").scrollTop = $("scroll").scrollHeight;
}

function userTurn(m, i) {
  const body = make("div", "body", m.content);
  body.dir = "auto";
  const foot = make("div", "foot", button("Edit", () => edit(box, m, i), "plain asks"), button("Copy", () => copy(m.content)));
  const box = turn("user", "You", body, foot);
  return box;
}

// turn is a message as readers of screens find it.
function turn(role, label, ...children) {
  const box = make("article", "turn " + role, ...children);
  box.setAttribute("aria-label", label);
  return box;
}

// edit has a question written anew; what came after it is asked again.
function edit(box, m, i) {
  const field = Object.assign(make("textarea", ""), { value: m.content, dir: "auto", rows: Math.min(12, m.content.split("\n").length + 1) });
  field.setAttribute("aria-label", "Edit the message");
  const send = () => {
    if (!field.value.trim() || running) return;
    now.messages.length = i;
    ask(field.value.trim());
  };
  const cancel = () => {
    draw();
    toPrompt();
  };
  field.onkeydown = (e) => {
    if (e.key === "Enter" && !e.shiftKey && !e.isComposing) { e.preventDefault(); send(); }
    if (e.key === "Escape") { e.stopPropagation(); cancel(); }
  };
  box.replaceChildren(field, make("div", "foot", button("Send", send), button("Cancel", cancel)));
  field.focus();
}

function assistantTurn(m, i) {
  const thought = make("div", "thought");
  const summary = make("summary", "", "Reasoning");
  const thinking = make("details", "", summary, thought);
  const body = make("div", "body");
  const foot = make("div", "foot");
  const box = turn("assistant", "Answer", thinking, body, foot);
  thought.dir = "auto";
  // update shows what there is so far; busy is what the model does now, if anything.
  function update(busy) {
    thinking.hidden = !m.reasoning;
    thought.textContent = m.reasoning || "";
    summary.textContent = busy === "thinking" ? "Reasoning …" : "Reasoning";
    replaceEnd(body, render(m.content || "").map(withCopy));
    foot.replaceChildren();
    if (busy) foot.append(make("span", "wait", { reading: "reading the prompt", thinking: "thinking", writing: "writing" }[busy]));
    if (m.error) foot.append(make("span", "error", m.error));
    if (m.figures) foot.append(make("span", "figures", m.figures));
    if (busy) return;
    foot.append(button("Copy", () => copy(m.content)), button("Again", () => again(i), "plain asks"));
  }
  update();
  return { box, update };
}

// again asks for another answer in place of the one that is message i.
function again(i) {
  if (running) return;
  now.messages.length = i;
  answer();
}

// replaceEnd puts blocks in place of those of a body, and leaves those at its beginning
// that are the same: what is selected in them stays so while an answer comes.
function replaceEnd(body, blocks) {
  let same = 0;
  while (same < blocks.length && body.children[same]?.isEqualNode(blocks[same])) same++;
  while (body.childNodes.length > same) body.lastChild.remove();
  body.append(...blocks.slice(same));
}

// withCopy gives a block of code a button that copies it.
function withCopy(block) {
  if (block.nodeName !== "PRE") return block;
  const code = make("div", "code", block, button("Copy"));
  code.lastChild.setAttribute("aria-label", "Copy the code");
  return code;
}
$("messages").addEventListener("click", (e) => {
  const pre = e.target.closest(".code > button")?.previousSibling;
  if (pre) copy(pre.textContent);
});

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
  if (now.messages.length === 1) now.title = text.length > 60 ? [...text].slice(0, 60).join("") + "…" : text;
  $("title").textContent = now.title;
  answer();
}

async function answer() {
  if (running) return;
  const chat = now, m = { role: "assistant", content: "", reasoning: "" };
  const request = { messages: chat.messages.filter((x) => x.content).map(({ role, content }) => ({ role, content })), reasoning_effort: $("effort").value };
  chat.messages.push(m);
  store.touch(chat);
  listChats();
  const shown = assistantTurn(m, chat.messages.length - 1);
  live = { message: m, turn: shown };
  running = new AbortController();
  draw();
  buttons();
  toPrompt();

  let busy = "reading", due = false;
  const paint = () => {
    due = false;
    if (!running || chat !== now) return;
    const end = $("scroll"), follows = atEnd(end);
    shown.update(busy);
    if (follows) end.scrollTop = end.scrollHeight;
  };
  const soon = () => {
    if (due) return;
    due = true;
    // A long answer takes long to draw.
    setTimeout(() => requestAnimationFrame(paint), Math.min(500, m.content.length / 200));
  };
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
    else if (e instanceof TypeError) m.error = "the server does not answer any more: Again asks once more when it is back";
    else m.error = e.message;
  }
  running = live = null;
  if (store.chats.includes(chat)) store.touch(chat); // else it was deleted
  listChats();
  buttons();
  if (chat !== now) return;
  const end = $("scroll"), follows = atEnd(end);
  shown.update();
  if (follows) end.scrollTop = end.scrollHeight;
  $("said").textContent = m.error && !m.content ? m.error : "Answer: " + shown.box.querySelector(".body").innerText;
}

// atEnd tells whether somebody reads the last lines.
const atEnd = (e) => e.scrollHeight - e.scrollTop - e.clientHeight < 60;

// Another tab has changed the conversations.
addEventListener("storage", (e) => {
  if (e.key !== store.NAME) return;
  const changed = store.merge(now);
  listChats();
  if (changed && !running) draw();
});

// An answer that the page is left in the middle of is kept as far as it has come.
addEventListener("pagehide", () => {
  if (!live) return;
  live.message.error = "stopped";
  store.save();
});

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
  const parts = [`${count(t.predicted_n)} tokens`];
  if (t.predicted_per_second) parts.unshift(`${t.predicted_per_second.toFixed(1)} tokens/s`);
  const reused = t.cache_n ? `, ${count(t.cache_n)} of them kept` : "";
  parts.push(`prompt ${count(t.prompt_n + t.cache_n)}${reused}, ${count(Math.round(t.prompt_per_second || 0))}/s`);
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
  document.body.classList.toggle("answering", Boolean(running));
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
function stop() {
  running?.abort();
  toPrompt();
}
$("stop").onclick = stop;
document.addEventListener("keydown", (e) => {
  if (e.key !== "Escape" || document.querySelector("dialog[open]")) return;
  if ($("side").classList.contains("open")) side(false);
  else if (running) stop();
});

// The rest of the window.

function side(open) {
  $("side").classList.toggle("open", open);
  $("shade").hidden = !open;
  $("menu").setAttribute("aria-expanded", String(open));
}
$("menu").onclick = () => {
  side(true);
  $("close").focus();
};
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
