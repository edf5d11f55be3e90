// Prints requests that the types of OpenAI's and Anthropic's npm packages allow, a
// line of JSON each: every field, and of unions (contents, items, tools, words)
// every member. A request differs from the plainest one in one place, which "at"
// names. infer/server/testdata/requests.jsonl is made of this, so that the tests in
// Go need neither the packages nor the compiler:
//
//	node requests.mjs
import ts from 'typescript';

const roots = [
  { path: '/v1/chat/completions', file: 'openai/resources/chat/completions/completions.d.ts', type: 'ChatCompletionCreateParamsBase', plain: { messages: [{ role: 'user', content: 'x' }] } },
  { path: '/v1/completions', file: 'openai/resources/completions.d.ts', type: 'CompletionCreateParamsBase', plain: { prompt: 'x' } },
  { path: '/v1/responses', file: 'openai/resources/responses/responses.d.ts', type: 'ResponseCreateParamsBase', plain: { input: 'x' } },
  { path: '/v1/messages', file: '@anthropic-ai/sdk/resources/messages/messages.d.ts', type: 'MessageCreateParamsBase', plain: { messages: [{ role: 'user', content: 'x' }] } },
  { path: '/v1/messages', file: '@anthropic-ai/sdk/resources/beta/messages/messages.d.ts', type: 'MessageCreateParamsBase', plain: { messages: [{ role: 'user', content: 'x' }] } },
];
const files = roots.map((r) => new URL('node_modules/' + r.file, import.meta.url).pathname);
const program = ts.createProgram(files, { strict: true, skipLibCheck: true, moduleResolution: ts.ModuleResolutionKind.NodeNext, module: ts.ModuleKind.NodeNext });
const checker = program.getTypeChecker();

// is also sees through `string & {}`, which packages write to keep words listed.
const is = (type, flag) => (type.flags & flag) !== 0 || (type.isIntersection() && type.types.some((t) => is(t, flag)));
const nothing = ts.TypeFlags.Undefined | ts.TypeFlags.Void | ts.TypeFlags.Never;
const members = (type) => (type.isUnion() ? type.types : [type]).filter((t) => !is(t, nothing));
const properties = (type) => checker.getPropertiesOfType(type).map((p) => ({
  name: p.name, optional: (p.flags & ts.SymbolFlags.Optional) !== 0, type: checker.getTypeOfSymbol(p),
}));

// plain is the plainest value of a type.
function plain(type, seen = []) {
  const all = members(type);
  const t = all.find((m) => m.isStringLiteral?.()) ?? all.find((m) => is(m, ts.TypeFlags.String)) ?? all.find((m) => !is(m, ts.TypeFlags.Null)) ?? all[0];
  if (!t || is(t, ts.TypeFlags.Null)) return null;
  if (t.isStringLiteral() || t.isNumberLiteral()) return t.value;
  if (is(t, ts.TypeFlags.BooleanLiteral)) return checker.typeToString(t) === 'true';
  if (is(t, ts.TypeFlags.StringLike)) return 'x';
  if (is(t, ts.TypeFlags.NumberLike)) return 1;
  if (is(t, ts.TypeFlags.BooleanLike)) return true;
  if (checker.isTupleType(t) || checker.isArrayType(t)) {
    const of = checker.getTypeArguments(t)[0];
    return seen.includes(of) || seen.length > 12 ? [] : [plain(of, [...seen, of])];
  }
  if (is(t, ts.TypeFlags.Any | ts.TypeFlags.Unknown)) return {};
  const made = {};
  for (const p of properties(t)) if (!p.optional && seen.length < 12) made[p.name] = plain(p.type, [...seen, t]);
  return made;
}

const ids = new Map(); // of types
let visited; // types whose fields have been varied, and under which name

// variants calls use with values of a type that cover its members and fields, each
// with the name of the place.
function variants(type, at, use) {
  const all = members(type);
  const words = all.filter((m) => m.isStringLiteral());
  for (const t of all) {
    if (t.isStringLiteral()) use(t.value, words.length > 1 ? `${at}=${t.value}` : at);
    else if (is(t, ts.TypeFlags.Null)) use(null, `${at}=null`);
    else if (is(t, ts.TypeFlags.BooleanLiteral)) use(checker.typeToString(t) === 'true', `${at}=${checker.typeToString(t)}`);
    else if (is(t, ts.TypeFlags.StringLike | ts.TypeFlags.NumberLike | ts.TypeFlags.BooleanLike | ts.TypeFlags.Any | ts.TypeFlags.Unknown)) use(plain(t), at);
    else if (checker.isArrayType(t) || checker.isTupleType(t)) variants(checker.getTypeArguments(t)[0], at + '[]', (v, name) => use([v], name));
    else {
      const base = plain(t), fields = properties(t);
      const kind = fields.find((p) => p.name === 'type' && p.type.isStringLiteral())?.type.value;
      const here = kind && all.length > 1 ? `${at}<${kind}>` : at;
      use(base, here);
      const place = `${ids.get(t) ?? (ids.set(t, ids.size), ids.size - 1)} ${at.match(/\w*(<\w+>)?(\[\])?$/)[0]}`;
      if (visited.has(place) || /_20\d{6}$/.test(kind)) continue; // the latter are tools that Anthropic's servers run
      visited.add(place);
      for (const p of fields) {
        if (p.name === 'type') continue;
        variants(p.type, `${here}.${p.name}`, (v, name) => use({ ...base, [p.name]: v }, name));
      }
    }
  }
}

// about returns the request with the field of a value, and what it needs around it:
// a tool to choose, a call that there can be a result of.
function about(root, field, value) {
  const body = { ...root.plain, [field]: value };
  const call = { chat: { role: 'assistant', tool_calls: [{ id: 'x', type: 'function', function: { name: 'x', arguments: '{}' } }] }, responses: { type: 'function_call', call_id: 'x', name: 'x', arguments: '{}' }, messages: { role: 'assistant', content: [{ type: 'tool_use', id: 'x', name: 'x', input: {} }] } }[root.path.split('/')[2]];
  if (call && Array.isArray(value) && ['messages', 'input'].includes(field)) body[field] = [{ role: 'user', content: 'x' }, call, ...value];
  if (field === 'tool_choice') body.tools = [{ type: root.path === '/v1/messages' ? 'custom' : 'function', name: 'x', input_schema: { type: 'object' }, function: { name: 'x' } }];
  return body;
}

const seen = new Set();
for (const [i, root] of roots.entries()) {
  visited = new Set();
  const source = program.getSourceFile(files[i]);
  const symbol = checker.getExportsOfModule(checker.getSymbolAtLocation(source)).find((s) => s.name === root.type);
  const type = symbol && checker.getDeclaredTypeOfSymbol(symbol);
  if (!type) throw new Error(`${root.file} has no ${root.type}`);
  for (const p of properties(type)) {
    if (['stream', 'model'].includes(p.name)) continue;
    variants(p.type, p.name, (value, at) => {
      const body = JSON.stringify(about(root, p.name, value));
      if (!seen.has(root.path + body)) console.log(`{"path":${JSON.stringify(root.path)},"at":${JSON.stringify(at)},"body":${body}}`);
      seen.add(root.path + body);
    });
  }
}
