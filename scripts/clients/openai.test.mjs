// OpenAI's npm package: every call of its quick starts, against a scripted
// engine (SCRIPTED) and a real, tiny model (TINY).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { zodResponseFormat, zodTextFormat } from 'openai/helpers/zod';
import { z } from 'zod';

const scripted = new OpenAI({ baseURL: process.env.SCRIPTED + '/v1', apiKey: 'any', maxRetries: 0 });
const bare = new OpenAI({ baseURL: process.env.SCRIPTED, apiKey: 'any', maxRetries: 0 });
const tiny = new OpenAI({ baseURL: process.env.TINY + '/v1', apiKey: 'any', maxRetries: 0 });
const user = (content) => [{ role: 'user', content }];
const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'Gets the weather.',
    strict: true,
    parameters: {
      type: 'object',
      properties: { city: { type: 'string', enum: ['Paris', 'Rome'] }, unit: { type: 'string', enum: ['c', 'f'] } },
      required: ['city', 'unit'],
      additionalProperties: false,
    },
  },
};

test('models', async () => {
  const list = await scripted.models.list();
  assert.equal(list.data.length, 1);
  assert.equal((await scripted.models.retrieve(list.data[0].id)).object, 'model');
  await assert.rejects(scripted.models.retrieve('none'), (e) => e.status === 404 && e.code === 'model_not_found');
});

test('chat, whole and streamed, with and without /v1', async () => {
  for (const client of [scripted, bare]) {
    const whole = await client.chat.completions.create({ model: 'gpt-4.1', messages: user('think') });
    assert.equal(whole.choices[0].message.content, '2 + 2 = 4.');
    assert.equal(whole.choices[0].message.reasoning, 'Easy.');
    assert.equal(whole.choices[0].finish_reason, 'stop');
    assert.ok(whole.usage.completion_tokens_details.reasoning_tokens > 0);
    let text = '', reasoning = '', usage;
    const stream = await client.chat.completions.create({
      model: 'x', messages: user('think'), stream: true, stream_options: { include_usage: true },
    });
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta?.content ?? '';
      reasoning += chunk.choices[0]?.delta?.reasoning_content ?? '';
      usage = chunk.usage ?? usage;
    }
    assert.equal(text, '2 + 2 = 4.');
    assert.equal(reasoning, 'Easy.');
    assert.equal(usage.total_tokens, whole.usage.total_tokens);
  }
  const runner = scripted.chat.completions.stream({ model: 'x', messages: user('think') });
  assert.equal((await runner.finalMessage()).content, '2 + 2 = 4.');
});

test('every answer and error has an id', async () => {
  const whole = await scripted.chat.completions.create({ model: 'x', messages: user('think') });
  assert.match(whole._request_id, /^req_/);
  const { data, request_id: id } = await scripted.responses.create({ model: 'x', input: 'think', stream: true }).withResponse();
  assert.match(id, /^req_/);
  for await (const event of data) assert.ok(event.type);
  await assert.rejects(scripted.fineTuning.jobs.create({ model: 'x', training_file: 'y' }), (e) => e.status === 404 && /^req_/.test(e.requestID));
});

test('a slash at the end of the base URL, and one too many', async () => {
  for (const base of ['/v1/', '//v1', '/v1//']) {
    const client = new OpenAI({ baseURL: process.env.SCRIPTED + base, apiKey: 'any', maxRetries: 0 });
    const whole = await client.chat.completions.create({ model: 'x', messages: user('think') });
    assert.equal(whole.choices[0].message.content, '2 + 2 = 4.');
  }
});

test('log probabilities', async () => {
  const c = await tiny.chat.completions.create({
    model: 'x', messages: user('In the'), max_tokens: 8, logprobs: true, top_logprobs: 3, temperature: 0, seed: -1,
  });
  const { content } = c.choices[0].logprobs;
  assert.equal(content.map((t) => t.token).join(''), c.choices[0].message.content);
  for (const t of content) {
    assert.equal(t.top_logprobs.length, 3);
    assert.equal(t.top_logprobs[0].token, t.token);
    assert.ok(t.logprob <= 0 && Array.isArray(t.bytes));
  }
});

test('completions: echo, log probabilities, lists', async () => {
  const c = await tiny.completions.create({
    model: 'x', prompt: ['In the beginning', 'Call me'], echo: true, logprobs: 2, max_tokens: 3, temperature: 0,
  });
  assert.deepEqual(c.choices.map((x) => x.index), [0, 1]);
  assert.ok(c.choices[0].text.startsWith('In the beginning'));
  const l = c.choices[0].logprobs;
  assert.equal(l.tokens.join(''), c.choices[0].text);
  assert.equal(l.token_logprobs[0], null);
  assert.equal(l.top_logprobs[0], null);
  assert.ok(l.token_logprobs.slice(1).every((p) => p <= 0));
  assert.deepEqual(l.text_offset.map((o, i) => c.choices[0].text.slice(o, o + l.tokens[i].length)), l.tokens);
  const ids = await tiny.completions.create({ model: 'x', prompt: [1, 2, 3], max_tokens: 0, echo: true, logprobs: 1 });
  assert.equal(ids.choices[0].logprobs.tokens.length, 3);
});

test('a tool loop', async () => {
  const runner = scripted.chat.completions.runTools({
    model: 'x', messages: user('call get_weather {"city":"Paris","unit":"c"}'),
    tools: [{ ...weather, function: { ...weather.function, parse: JSON.parse, function: ({ city, unit }) => `sun in ${city}, ${unit}` } }],
  });
  assert.equal(await runner.finalContent(), 'The tool said: sun in Paris, c');
  const streamed = scripted.chat.completions.runTools({
    stream: true, model: 'x', messages: user('call get_weather {"city":"Rome","unit":"f"}'),
    tools: [{ ...weather, function: { ...weather.function, parse: JSON.parse, function: ({ city }) => `rain in ${city}` } }],
  });
  assert.equal(await streamed.finalContent(), 'The tool said: rain in Rome');
});

test('messages come back as they were got, with fields that nobody knows', async () => {
  const messages = user('think');
  const first = await scripted.chat.completions.create({ model: 'x', messages, store: null, metadata: null, foo: { bar: 1 } });
  messages.push({ ...first.choices[0].message, parsed: null, audio: null, function_call: null }, ...user('think'));
  const second = await scripted.chat.completions.create({ model: 'x', messages, parallel_tool_calls: null, service_tier: 'auto' });
  assert.equal(second.choices[0].message.content, '2 + 2 = 4.');
});

test('a forced call of the tiny model', async () => {
  for (const tool_choice of ['required', { type: 'function', function: { name: 'get_weather' } }]) {
    const c = await tiny.chat.completions.create({ model: 'x', messages: user('Paris?'), tools: [weather], tool_choice, max_tokens: 400 });
    const args = JSON.parse(c.choices[0].message.tool_calls[0].function.arguments);
    assert.ok(['Paris', 'Rome'].includes(args.city) && ['c', 'f'].includes(args.unit));
    assert.equal(c.choices[0].finish_reason, 'tool_calls');
  }
  const stream = tiny.chat.completions.stream({ model: 'x', messages: user('Paris?'), tools: [weather], tool_choice: 'required', max_tokens: 400 });
  const final = await stream.finalChatCompletion();
  assert.ok(['Paris', 'Rome'].includes(JSON.parse(final.choices[0].message.tool_calls[0].function.arguments).city));
});

test('structured output of the tiny model', async () => {
  const Event = z.object({ name: z.string().max(30), day: z.enum(['Mon', 'Tue']), guests: z.array(z.number().int()).max(3) });
  const chat = await tiny.chat.completions.parse({
    model: 'x', messages: user('An event?'), response_format: zodResponseFormat(Event, 'event'), max_tokens: 500,
  });
  Event.parse(chat.choices[0].message.parsed);
  const response = await tiny.responses.parse({ model: 'x', input: 'An event?', text: { format: zodTextFormat(Event, 'event') }, max_output_tokens: 500 });
  Event.parse(response.output_parsed);
  await assert.rejects(
    tiny.chat.completions.create({
      model: 'x', messages: user('x'),
      response_format: { type: 'json_schema', json_schema: { name: 'a', schema: { type: 'object', unevaluatedProperties: { not: {} } } } },
    }),
    (e) => e.status === 400 && /unevaluatedProperties|not/.test(e.message));
});

test('Responses, whole and streamed', async () => {
  const r = await scripted.responses.create({ model: 'x', instructions: 'Be brief.', input: 'think', store: false });
  assert.equal(r.output_text, '2 + 2 = 4.');
  assert.equal(r.status, 'completed');
  assert.equal(r.output[0].content[0].text, 'Easy.');
  const again = await scripted.responses.create({
    model: 'x', input: [...user('think'), ...r.output, ...user('think')], include: ['reasoning.encrypted_content'],
  });
  assert.equal(again.output_text, '2 + 2 = 4.');
  const types = [];
  for await (const event of await scripted.responses.create({ model: 'x', input: 'think', stream: true })) types.push(event.type);
  assert.equal(types[0], 'response.created');
  assert.equal(types.at(-1), 'response.completed');
  assert.ok(types.indexOf('response.reasoning_text.done') < types.indexOf('response.output_text.delta'));
  const stream = scripted.responses.stream({ model: 'x', input: 'think' });
  assert.equal((await stream.finalResponse()).output_text, '2 + 2 = 4.');
  await assert.rejects(scripted.responses.create({ model: 'x', input: 'x', previous_response_id: 'resp_1' }), (e) => e.status === 400);
  assert.equal((await scripted.responses.inputTokens.count({ model: 'x', instructions: 'Be brief.', input: 'think' })).input_tokens, r.usage.input_tokens);
});

test('a tool loop of Responses', async () => {
  const tools = [{ type: 'function', ...weather.function }, { type: 'web_search' }];
  const input = user('call get_weather {"city":"Paris","unit":"c"}');
  const r = await scripted.responses.create({ model: 'x', input, tools });
  const call = r.output.find((o) => o.type === 'function_call');
  assert.deepEqual(JSON.parse(call.arguments), { city: 'Paris', unit: 'c' });
  input.push(...r.output, { type: 'function_call_output', call_id: call.call_id, output: 'sun' });
  assert.equal((await scripted.responses.create({ model: 'x', input, tools })).output_text, 'The tool said: sun');
  const forced = await tiny.responses.create({ model: 'x', input: 'Paris?', tools, tool_choice: 'required', max_output_tokens: 400 });
  assert.ok(['Paris', 'Rome'].includes(JSON.parse(forced.output.find((o) => o.type === 'function_call').arguments).city));
});

test('a foreign Host, metrics', async () => {
  const http = await import('node:http');
  const status = await new Promise((resolve, reject) => {
    http.get(process.env.SCRIPTED + '/v1/models', { agent: false, headers: { Host: 'evil.example' } }, (res) => { res.resume(); resolve(res.statusCode); }).on('error', reject);
  });
  assert.equal(status, 403);
  const metrics = await (await fetch(process.env.SCRIPTED + '/metrics')).text();
  assert.match(metrics, /^# HELP gptoss_http_requests_total /m);
  assert.match(metrics, /^# TYPE gptoss_http_requests_total counter$/m);
});
