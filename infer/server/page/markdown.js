// What models write, as elements: headings, lists, tables, quotes, code, emphasis.
// Nothing of a text ever becomes markup, and no picture is fetched.

function element(name, ...children) {
  const e = document.createElement(name);
  e.append(...children);
  if (BLOCKS.has(name)) e.dir = "auto"; // by its first letters, right to left too
  return e;
}
const BLOCKS = new Set(["p", "h2", "h3", "h4", "ul", "ol", "blockquote", "table"]);

// inline reads the marks within a line.
const INLINE = /(`+)(.+?)\1|\*\*(.+?)\*\*|(?<![\w*])\*(?!\s)(.+?)\*(?!\w)|\[([^\]]+)\]\((https?:\/\/[^\s)]+)\)/g;

function inline(text) {
  const out = [];
  let at = 0;
  for (const m of text.matchAll(INLINE)) {
    out.push(text.slice(at, m.index));
    at = m.index + m[0].length;
    if (m[1]) out.push(element("code", m[2].trim()));
    else if (m[3]) out.push(element("strong", ...inline(m[3])));
    else if (m[4]) out.push(element("em", ...inline(m[4])));
    else out.push(Object.assign(element("a", m[5]), { href: m[6], target: "_blank", rel: "noopener noreferrer" }));
  }
  out.push(text.slice(at));
  return out;
}

const ITEM = /^(\s*)([-*+]|\d+[.)])\s+(.*)$/;
const FENCE = /^\s*(```+|~~~+)\s*(\S*)/;
const cells = (line) => line.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((c) => c.trim());

// render makes elements of a text. What is unfinished, as a fence without its end,
// is shown as far as it goes.
export function render(text, depth = 0) {
  if (depth > 8) return [element("p", text)]; // nobody means that
  const lines = text.split("\n"), out = [];
  for (let i = 0; i < lines.length; ) {
    const line = lines[i];
    const fence = line.match(FENCE), heading = line.match(/^(#{1,6})\s+(.*)$/);
    if (!line.trim()) {
      i++;
    } else if (fence) {
      const code = [];
      for (i++; i < lines.length && !lines[i].trim().startsWith(fence[1]); i++) code.push(lines[i]);
      i++;
      // What may be wider than the page is moved by keys too.
      out.push(Object.assign(element("pre", element("code", code.join("\n"))), { tabIndex: 0, dir: "ltr" }));
    } else if (heading) {
      out.push(element("h" + Math.min(4, heading[1].length + 1), ...inline(heading[2])));
      i++;
    } else if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(line)) {
      out.push(element("hr"));
      i++;
    } else if (/^\s*>/.test(line)) {
      const quoted = [];
      for (; i < lines.length && /^\s*>/.test(lines[i]); i++) quoted.push(lines[i].replace(/^\s*>\s?/, ""));
      out.push(element("blockquote", ...render(quoted.join("\n"), depth + 1)));
    } else if (line.includes("|") && /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/.test(lines[i + 1] ?? "")) {
      const row = (kind) => element("tr", ...cells(lines[i]).map((c) => element(kind, ...inline(c))));
      const table = element("table", element("thead", row("th"))), body = element("tbody");
      for (i += 2; i < lines.length && lines[i].includes("|"); i++) body.append(row("td"));
      table.append(body);
      out.push(Object.assign(element("div", table), { className: "table", tabIndex: 0 }));
    } else if (ITEM.test(line)) {
      const [list, next] = items(lines, i, depth + 1);
      out.push(list);
      i = next;
    } else {
      const words = [];
      for (; i < lines.length && lines[i].trim() && !FENCE.test(lines[i]) && !ITEM.test(lines[i]) && !/^(#{1,6}\s|\s*>)/.test(lines[i]); i++) {
        if (words.length) words.push(element("br"));
        words.push(...inline(lines[i].trim()));
      }
      out.push(element("p", ...words));
    }
  }
  return out;
}

// items reads a list that begins at a line, with lists within it.
function items(lines, i, depth) {
  const [, indent, mark] = lines[i].match(ITEM);
  const list = element(/\d/.test(mark) ? "ol" : "ul");
  if (/\d/.test(mark)) list.start = parseInt(mark, 10);
  while (i < lines.length) {
    const m = lines[i].match(ITEM);
    if (!m || m[1].length < indent.length) break;
    // What is indented further, or follows without a mark, belongs to the item.
    const inner = [m[3]];
    for (i++; i < lines.length; i++) {
      const next = lines[i].match(ITEM);
      if (next && next[1].length <= indent.length) break;
      if (!next && lines[i].trim() && !/^\s{2,}/.test(lines[i])) break;
      if (!lines[i].trim() && !/^\s{2,}\S/.test(lines[i + 1] ?? "") && !ITEM.test(lines[i + 1] ?? "")) break;
      inner.push(lines[i].slice(Math.min(indent.length + 2, lines[i].search(/\S|$/))));
    }
    const body = render(inner.join("\n"), depth);
    list.append(element("li", ...(body[0]?.nodeName === "P" ? [...body[0].childNodes, ...body.slice(1)] : body)));
    while (i < lines.length && !lines[i].trim() && ITEM.test(lines[i + 1] ?? "")) i++;
  }
  return [list, i];
}
