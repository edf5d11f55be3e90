// The forms that the Open Responses specification asks of answers and events, and
// the requests that its compliance suite makes, whole and streamed, against a
// scripted engine (SCRIPTED). The suite's cases are basic-response,
// streaming-response, system-prompt, multi-turn (text, instructions, several turns);
// tool-calling, tool-calling-streaming (a call, and its result); image-input,
// file-input (a picture and a file). Its optional cases file-search and
// offline-web-search need tools that the server itself runs, and are refused by
// name. The newest suite has two more, previous-response-id and, which sends only
// the result of a call, function-call-roundtrip: they need stored responses, which
// are refused; the same round trip with the items is here.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';

const text = z.string(), whole = z.number().int();
const status = z.enum(['in_progress', 'completed', 'incomplete']);
const alternative = z.object({ token: text, logprob: z.number(), bytes: z.array(whole) });
const logprobs = z.array(alternative.extend({ top_logprobs: z.array(alternative) }));
const outputText = z.object({ type: z.literal('output_text'), text, annotations: z.array(z.never()), logprobs });
const thoughtText = z.object({ type: z.literal('reasoning_text'), text });
const item = z.discriminatedUnion('type', [
  z.object({ type: z.literal('message'), id: text, status, role: z.literal('assistant'), content: z.array(outputText) }),
  z.object({ type: z.literal('function_call'), id: text, call_id: text, name: text, arguments: text, status }),
  z.object({ type: z.literal('reasoning'), id: text, summary: z.array(z.never()), content: z.array(thoughtText) }),
]);
const fn = z.object({ type: z.literal('function'), name: text, description: text.nullable(), parameters: z.record(text, z.any()).nullable(), strict: z.boolean() });
const mode = z.enum(['none', 'auto', 'required']);
const named = z.object({ type: z.literal('function'), name: text });
const format = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text') }),
  z.object({ type: z.literal('json_object') }),
  z.object({ type: z.literal('json_schema'), name: text, description: text.nullable(), schema: z.any(), strict: z.boolean() }),
]);
const usage = z.object({
  input_tokens: whole, input_tokens_details: z.object({ cached_tokens: whole }),
  output_tokens: whole, output_tokens_details: z.object({ reasoning_tokens: whole }), total_tokens: whole,
});
const response = z.object({
  id: text, object: z.literal('response'), created_at: whole, completed_at: whole.nullable(), status: text, background: z.boolean(), model: text,
  incomplete_details: z.object({ reason: text }).nullable(), error: z.object({ code: text, message: text }).nullable(), previous_response_id: text.nullable(),
  instructions: text.nullable(), output: z.array(item), tools: z.array(fn), tool_choice: z.union([mode, named, z.object({ type: z.literal('allowed_tools'), mode, tools: z.array(named) })]),
  parallel_tool_calls: z.boolean(), max_tool_calls: whole.nullable(), max_output_tokens: whole.nullable(), truncation: z.enum(['auto', 'disabled']),
  text: z.object({ format, verbosity: z.enum(['low', 'medium', 'high']) }), temperature: z.number(), top_p: z.number(), presence_penalty: z.number(),
  frequency_penalty: z.number(), top_logprobs: whole, reasoning: z.object({ effort: text.nullable(), summary: text.nullable() }).nullable(), usage: usage.nullable(),
  store: z.boolean(), service_tier: text, metadata: z.record(text, text), user: text.nullable(), safety_identifier: text.nullable(), prompt_cache_key: text.nullable(),
});
const at = { item_id: text, output_index: whole }, within = { ...at, content_index: whole };
const events = {
  'response.created': { response }, 'response.in_progress': { response }, 'response.completed': { response }, 'response.incomplete': { response },
  'response.output_item.added': { output_index: whole, item }, 'response.output_item.done': { output_index: whole, item },
  'response.content_part.added': { ...within, part: z.union([outputText, thoughtText]) }, 'response.content_part.done': { ...within, part: z.union([outputText, thoughtText]) },
  'response.output_text.delta': { ...within, delta: text, logprobs }, 'response.output_text.done': { ...within, text, logprobs },
  'response.reasoning_text.delta': { ...within, delta: text }, 'response.reasoning_text.done': { ...within, text },
  'response.function_call_arguments.delta': { ...at, delta: text }, 'response.function_call_arguments.done': { ...at, arguments: text },
};

async function post(body) {
  const answer = await fetch(process.env.SCRIPTED + '/v1/responses', {
    method: 'POST', headers: { 'Content-Type': 'application/json', Authorization: 'Bearer any' }, body: JSON.stringify({ model: 'x', ...body }),
  });
  assert.equal(answer.status, 200, body.input);
  return answer;
}

const wholly = async (body) => response.parse(await (await post(body)).json());

// streamed checks each event, their numbers, and that what was built of them is
// what the last one says.
async function streamed(body) {
  const text = await (await post({ ...body, stream: true })).text();
  const blocks = text.split('\n\n').filter((b) => b && !b.startsWith(':'));
  assert.equal(blocks.pop(), 'data: [DONE]');
  const built = [];
  let last;
  blocks.forEach((block, i) => {
    const [name, data] = block.split('\n');
    const e = JSON.parse(data.replace(/^data: /, ''));
    assert.equal(name, `event: ${e.type}`);
    assert.ok(events[e.type], `an event ${e.type}`);
    z.object({ type: z.string(), sequence_number: z.literal(i), ...events[e.type] }).parse(e);
    if (e.type === 'response.output_item.added') built[e.output_index] = { id: e.item.id, type: e.item.type, text: '' };
    if (e.item_id) assert.equal(e.item_id, built[e.output_index].id);
    if (e.delta) built[e.output_index].text += e.delta;
    last = e;
  });
  assert.deepEqual(built, last.response.output.map((o) => ({ id: o.id, type: o.type, text: o.arguments ?? o.content[0].text })));
  return last.response;
}

const user = (content) => [{ type: 'message', role: 'user', content }];
const tools = [{ type: 'function', name: 'get_weather', description: 'Weather.', parameters: { type: 'object', properties: { location: { type: 'string' } }, required: ['location'] } }];
const call = 'call get_weather {"location":"San Francisco, CA"}';

for (const [how, ask] of Object.entries({ whole: wholly, streamed })) {
  test(`${how}: text, instructions, several turns`, async () => {
    for (const input of [
      user('think'), 'think', [{ type: 'message', role: 'system', content: 'Talk like a pirate.' }, ...user('think')],
      [...user('My name is Alice.'), { type: 'message', role: 'assistant', content: 'Hello Alice!' }, ...user('think')],
    ]) {
      const r = await ask({ input, metadata: { a: 'b' }, reasoning: { effort: 'low', summary: 'auto' }, prompt_cache_key: 'k' });
      assert.equal(r.status, 'completed');
      assert.deepEqual(r.output.map((o) => o.type), ['reasoning', 'message']);
      assert.deepEqual([r.metadata, r.reasoning.effort, r.prompt_cache_key, r.store], [{ a: 'b' }, 'low', 'k', false]);
    }
  });

  test(`${how}: a call, and its result`, async () => {
    const r = await ask({ input: user(call), tools });
    const made = r.output.find((o) => o.type === 'function_call');
    assert.deepEqual(JSON.parse(made.arguments), { location: 'San Francisco, CA' });
    const forced = await ask({ input: user(call), tools, tool_choice: { type: 'function', name: 'get_weather' } });
    assert.ok(forced.output.some((o) => o.type === 'function_call'));
    const done = await ask({ input: [...user(call), ...r.output, { type: 'function_call_output', call_id: made.call_id, output: '18 degrees' }], tools });
    assert.match(JSON.stringify(done.output), /The tool said: 18 degrees/);
  });

  test(`${how}: a picture and a file, which the model is told of`, async () => {
    for (const part of [{ type: 'input_image', image_url: 'data:image/png;base64,AAAA' }, { type: 'input_file', filename: 'a.pdf', file_data: 'data:application/pdf;base64,AAAA' }]) {
      const r = await ask({ input: user([{ type: 'input_text', text: 'What is it?' }, part]) });
      assert.equal(r.status, 'completed');
    }
  });

  test(`${how}: an answer that is cut off, log probabilities, formats`, async () => {
    const cut = await ask({ input: 'think', max_output_tokens: 2 });
    assert.deepEqual([cut.status, cut.incomplete_details], ['incomplete', { reason: 'max_output_tokens' }]);
    const probable = await ask({ input: 'think', include: ['message.output_text.logprobs'], top_logprobs: 2 });
    assert.equal(probable.output.at(-1).content[0].logprobs[0].top_logprobs.length, 2);
    const schema = { type: 'object', properties: { a: { type: 'boolean' } }, required: ['a'], additionalProperties: false };
    const formed = await ask({ input: 'think', text: { format: { type: 'json_schema', name: 'a', schema, strict: true } } });
    assert.equal(typeof JSON.parse(formed.output.at(-1).content[0].text).a, 'boolean');
    assert.deepEqual(formed.text.format.schema, schema);
  });
}

test('what needs a store, or tools that the server runs, is refused by name', async () => {
  const refused = async (body) => {
    const answer = await fetch(process.env.SCRIPTED + '/v1/responses', { method: 'POST', body: JSON.stringify({ model: 'x', input: 'x', ...body }) });
    assert.equal(answer.status, 400);
    return (await answer.json()).error;
  };
  const { id } = await wholly({ input: 'think' });
  const stored = await refused({ previous_response_id: id });
  assert.deepEqual([stored.param, stored.code], ['previous_response_id', 'unsupported_parameter']);
  assert.match(stored.message, /send the whole conversation as input/);
  for (const type of ['file_search', 'web_search']) assert.equal((await refused({ tools: [{ type }], tool_choice: { type } })).param, 'tool_choice');
});
