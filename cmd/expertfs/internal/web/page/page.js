// What the page shows, and what its switches do.

import { Chart } from "./chart.js";
import { Grid } from "./grid.js";
import { change, follow } from "./stream.js";

const $ = (id) => document.getElementById(id);
const say = (id, text) => ($(id).textContent = text);

// Numbers for people.
const percent = (share) => (100 * share).toFixed(share >= 0.9995 || share < 0 ? 0 : 1) + "%";
const round = (share) => Math.round(100 * share) + "%";
const rate = (u) => (u.hits + u.misses + u.joins ? percent((u.hits + u.joins) / (u.hits + u.misses + u.joins)) : "–");
const count = (n) => n.toLocaleString("en");
function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  for (; n >= 1024 && i < units.length - 1; i++) n /= 1024;
  return (i && n < 100 ? n.toFixed(1) : Math.round(n)) + " " + units[i];
}
function span(seconds) {
  const m = Math.floor(seconds / 60), h = Math.floor(m / 60), d = Math.floor(h / 24);
  if (d) return `${d} d ${h % 24} h`;
  if (h) return `${h} h ${m % 60} min`;
  return m ? `${m} min` : `${Math.floor(seconds)} s`;
}
// figure writes a number with its unit in small letters.
function figure(id, number, unit) {
  $(id).replaceChildren(number, Object.assign(document.createElement("small"), { textContent: unit ? " " + unit : "" }));
}

const PLACES = { r: "in RAM", d: "on the drive", l: "loading", a: "read ahead" };
const grid = new Grid($("grid"), $("tip"), (i) => {
  const where = PLACES[grid.places[i]] || "?";
  return `layer ${Math.floor(i / grid.experts)}, expert ${i % grid.experts}: ${where}, ${count(grid.uses[i])} uses, in ${grid.heat[i] / 10}% of steps`;
}, (across) => {
  say("axes", (across ? "a column for each layer, a row for each expert" : "a row for each layer, a column for each expert") + "; stronger means hotter");
});
const hits = new Chart($("hit-chart"), "--ram", 1, round);
const waits = new Chart($("wait-chart"), "--load", 0.2, round);

let stats, recent = [];

function welcome(w) {
  stats = w.stats;
  recent = [];
  hits.clear();
  waits.clear();
  grid.reset(stats.layers, stats.experts, w.places, w.uses, w.heat);
  $("policies").replaceChildren(...w.policies.map((value) => Object.assign(document.createElement("option"), { value })));
  for (const form of [$("ram-form"), $("policy-form")]) {
    for (const field of form.elements) field.disabled = w.readonly !== "";
    form.title = w.readonly;
  }
  for (const field of [$("ram"), $("spec")]) delete field.dataset.touched;
  document.body.dataset.readonly = w.readonly;
  document.title = stats.model + " · expertfs";
  say("model", stats.model);
  say("version", "expertfs " + stats.version);
  $("mechanism").hidden = false;
  say("mechanism", stats.mechanism);
  $("mechanism").title = stats.why;
  shown();
  say("hit", "–");
  figure("tokens", "–", "");
  figure("wait", "–", "");
  figure("drive", "–", "");
}

function figures(f) {
  stats = f.stats;
  recent.push(f.rates);
  if (recent.length > 10) recent.shift();
  const uses = { hits: 0, misses: 0, joins: 0 };
  for (const r of recent) for (const kind in uses) uses[kind] += r.uses[kind];
  const mean = (of) => recent.reduce((sum, r) => sum + of(r), 0) / recent.length;
  say("hit", rate(uses));
  figure("tokens", mean((r) => r.tokens).toFixed(1), "a second");
  figure("wait", percent(mean((r) => r.waited)), "of the time");
  const [n, unit] = bytes(mean((r) => r.read)).split(" ");
  figure("drive", n, unit + "/s");
  hits.add(f.rates.hit_rate < 0 ? null : f.rates.hit_rate);
  waits.add(f.rates.waited);
  shown(f.tokens);
}

// shown shows the figures that are no rates.
function shown(tokens = []) {
  const c = stats.cache, readers = stats.readers || [], all = stats.layers * stats.experts;
  say("where", `${stats.mountpoint}, up ${span(stats.seconds)}`);
  say("hit-all", `${rate(c)} since the mount`);
  say("tokens-all", `${count(readers.reduce((n, r) => n + r.tokens, 0))} by those who read`);
  say("wait-all", `${(c.open_wait_ns / 1e9).toFixed(1)} s since the mount`);
  say("drive-all", `${bytes(c.bytes_read)} read${copies(stats.copies || [])}`);
  figure("resident", count(c.resident), "of " + count(all));
  say("resident-all", `${c.evictions ? count(c.evictions) + " evicted" : "none evicted"}`);
  grid.canvas.setAttribute("aria-label", `${c.resident} of ${all} experts are in RAM`);

  const free = c.used_bytes - c.resident_bytes - c.loading_bytes;
  const parts = [c.held_bytes, c.mapped_bytes, c.resident_bytes - c.held_bytes - c.mapped_bytes, c.loading_bytes, free];
  [...$("bar").children].forEach((part, i) => (part.style.width = (100 * Math.max(0, parts[i])) / Math.max(c.budget, c.used_bytes) + "%"));
  say("memory", `${bytes(c.used_bytes)} of ${bytes(c.budget)}; dense files ${bytes(c.dense_bytes)} beside`);
  if (untouched($("ram"))) $("ram").value = bytes(c.budget).replace(" ", "");

  const p = c.prefetch;
  say("prefetch", `${count(p.useful)} used, ${count(p.late)} too late, ${count(p.wasted)} in vain`);
  say("refused", c.busy || c.crowded ? `${count(c.busy)} refused, ${count(c.crowded)} served from the drive` : "none refused");
  const failed = Object.values(c.errors || {}).reduce((n, m) => n + m, 0);
  say("failed", failed ? count(failed) + " failed" : "none failed");

  say("policy", c.policy);
  if (untouched($("spec"))) $("spec").value = c.policy;
  const shadows = c.shadows || [];
  $("shadows").hidden = !shadows.length;
  $("no-shadows").hidden = shadows.length > 0;
  const mine = { policy: c.policy, hit_rate: c.hits + c.misses + c.joins ? (c.hits + c.joins) / (c.hits + c.misses + c.joins) : 0, now: true };
  rows("shadows", [mine, ...shadows].sort((a, b) => b.hit_rate - a.hit_rate), (s) => [s.policy, percent(s.hit_rate), s.now ? "in use" : button(s.policy)], "now");

  $("no-readers").hidden = readers.length > 0;
  $("readers").hidden = !readers.length;
  rows("readers", readers, (r, i) => [
    r.pid ? r.name : "several", r.pid || "–", rate(r), count(r.hits + r.misses + r.joins), count(r.tokens),
    tokens[i] === undefined ? "–" : tokens[i].toFixed(1), bytes(r.mapped_bytes), bytes(r.share_bytes)]);
}

// copies tells which part of the bytes each copy of a checkpoint has given, and which of
// them fail. A checkpoint without mirrors has no copies.
function copies(list) {
  const all = Math.max(1, list.reduce((n, d) => n + d.bytes, 0));
  const text = list.map((d) => `${percent(d.bytes / all)} from ${d.dir}${!d.serves ? ", which fails" : d.left_files ? `, of which ${count(d.left_files)} files fail` : ""}`);
  return text.length ? ": " + text.join("; ") : "";
}

// untouched tells whether a field may show what is, because nobody writes in it.
const untouched = (field) => !field.dataset.touched && document.activeElement !== field;

// rows fills a table; a cell is a text or an element.
function rows(id, list, cells, mark) {
  const heads = [...$(id).tHead.rows[0].cells];
  $(id).tBodies[0].replaceChildren(...list.map((item, at) => {
    const tr = document.createElement("tr");
    tr.className = mark && item[mark] ? mark : "";
    cells(item, at).forEach((cell, i) => {
      const td = tr.insertCell();
      td.className = heads[i].className;
      td.append(cell);
    });
    return tr;
  }));
}

function button(policy) {
  const b = Object.assign(document.createElement("button"), { className: "plain", textContent: "switch" });
  b.disabled = document.body.dataset.readonly !== "";
  b.setAttribute("aria-label", "switch to " + policy);
  b.onclick = () => ask({ policy }, $("spec"));
  return b;
}

// ask changes the mount, and says how that went.
async function ask(what, field) {
  try {
    await change(what);
    delete field.dataset.touched;
    toast(what.policy ? `evicts by ${what.policy} now` : `the budget is ${what.ram} now`);
  } catch (e) {
    toast(e.message);
  }
}

let fading;
function toast(text) {
  say("toast", text);
  $("toast").hidden = false;
  clearTimeout(fading);
  fading = setTimeout(() => ($("toast").hidden = true), 6000);
}

for (const field of [$("ram"), $("spec")]) field.oninput = () => (field.dataset.touched = "1");
$("ram-form").onsubmit = (e) => { e.preventDefault(); ask({ ram: $("ram").value.trim() }, $("ram")); };
$("policy-form").onsubmit = (e) => { e.preventDefault(); ask({ policy: $("spec").value.trim() }, $("spec")); };

// A theme other than the system's is remembered.
const root = document.documentElement;
const dark = matchMedia("(prefers-color-scheme: dark)");
const redraw = () => { grid.layout(); hits.draw(); waits.draw(); };
root.dataset.theme = localStorage.getItem("expertfs-theme") || "";
$("theme").onclick = () => {
  const now = root.dataset.theme || (dark.matches ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
  localStorage.setItem("expertfs-theme", root.dataset.theme);
  redraw();
};
dark.addEventListener("change", redraw);

// A key that is asked for is kept until the tab is closed.
function askKey(error) {
  if (error) say("key-error", error);
  $("key").value = "";
  $("key-dialog").showModal();
  return new Promise((done) => {
    $("key-dialog").addEventListener("close", () => done($("key").value.trim()), { once: true });
  });
}

// link shows how the stream does, and "gone" that it tells of no mount.
const STATES = { live: "live", connecting: "connecting", paused: "paused", gone: "no mount" };
function link(state) {
  say("link", STATES[state]);
  $("link").classList.toggle("good", state === "live");
}
follow((kind, data) => {
  $("gone").hidden = kind !== "gone";
  if (kind === "welcome") {
    welcome(data);
    link("live");
  }
  if (kind === "stats") figures(data);
  if (kind === "experts") grid.change(data);
  if (kind === "heat") grid.reheat(data);
  if (kind === "gone") {
    say("gone", `The mount cannot be read: ${data.error}`);
    link("gone");
  }
}, link, askKey);
