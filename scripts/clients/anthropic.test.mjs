// Anthropic's npm package, against a scripted engine and a real, tiny model.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { betaZodTool } from '@anthropic-ai/sdk/helpers/beta/zod';
import { z } from 'zod';

const scripted = new Anthropic({ baseURL: process.env.SCRIPTED, apiKey: 'any', maxRetries: 0 });
const tiny = new Anthropic({ baseURL: process.env.TINY, apiKey: 'any', maxRetries: 0 });
const ask = (content) => ({ model: 'x', max_tokens: 400, messages: [{ role: 'user', content }] });
const tools = [{
  name: 'get_weather', description: 'Gets the weather.',
  input_schema: { type: 'object', properties: { city: { type: 'string', enum: ['Paris', 'Rome'] } }, required: ['city'], additionalProperties: false },
}];

test('messages, whole and streamed', async () => {
  const m = await scripted.messages.create({ ...ask('think'), system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }] });
  assert.deepEqual(m.content.map((b) => b.type), ['text']);
  assert.equal(m.content[0].text, '2 + 2 = 4.');
  assert.equal(m.stop_reason, 'end_turn');
  const thinking = { type: 'enabled', budget_tokens: 1024 };
  const seen = await scripted.messages.create({ ...ask('think'), thinking });
  assert.equal(seen.content[0].thinking, 'Easy.');
  const stream = scripted.messages.stream({ ...ask('think'), thinking });
  let text = '', thought = '';
  stream.on('text', (t) => { text += t; }).on('thinking', (t) => { thought += t; });
  const final = await stream.finalMessage();
  assert.equal(text, '2 + 2 = 4.');
  assert.equal(thought, 'Easy.');
  assert.deepEqual(final.content.map((b) => b.type), ['thinking', 'text']);
  assert.ok(final.usage.output_tokens > 0);
  const counted = await scripted.messages.countTokens({ model: 'x', messages: ask('think').messages });
  assert.ok(counted.input_tokens > 0);
});

test('a tool loop', async () => {
  const first = ask('call get_weather {"city":"Paris"}');
  const m = await scripted.messages.create({ ...first, tools });
  assert.equal(m.stop_reason, 'tool_use');
  const use = m.content.find((b) => b.type === 'tool_use');
  assert.deepEqual(use.input, { city: 'Paris' });
  const messages = [...first.messages, { role: 'assistant', content: m.content },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: use.id, content: 'sun' }] }];
  const answer = await scripted.messages.create({ ...first, messages, tools });
  assert.equal(answer.content[0].text, 'The tool said: sun');
  const stream = await scripted.messages.stream({ ...first, tools }).finalMessage();
  assert.deepEqual(stream.content.find((b) => b.type === 'tool_use').input, { city: 'Paris' });
  const forced = await tiny.messages.create({ ...ask('Paris?'), tools, tool_choice: { type: 'tool', name: 'get_weather' } });
  assert.ok(['Paris', 'Rome'].includes(forced.content.at(-1).input.city));
});

test('models, ids, a base URL with /v1', async () => {
  const list = await scripted.models.list();
  assert.equal(list.data[0].type, 'model');
  assert.ok(list.data[0].display_name && !Number.isNaN(Date.parse(list.data[0].created_at)));
  let n = 0;
  for await (const m of scripted.models.list()) n += m.id ? 1 : 0;
  assert.equal(n, 1);
  assert.equal((await scripted.models.retrieve(list.data[0].id)).type, 'model');
  const v1 = new Anthropic({ baseURL: process.env.SCRIPTED + '/v1', apiKey: 'any', maxRetries: 0 });
  const m = await v1.messages.create(ask('think'));
  assert.equal(m.content[0].text, '2 + 2 = 4.');
  assert.match(m._request_id, /^req_/);
});

test('a thread, which the server does not keep', async () => {
  const thread = scripted.beta.messages.thread({ model: 'x', max_tokens: 400, tools });
  const m = await thread.send({ role: 'user', content: 'call get_weather {"city":"Paris"}' });
  const use = m.content.find((b) => b.type === 'tool_use');
  const answer = await thread.send({ role: 'user', content: [{ type: 'tool_result', tool_use_id: use.id, content: 'sun' }] });
  assert.equal(answer.content.at(-1).text, 'The tool said: sun');
  assert.equal(thread.messages.length, 4);
});

test('the tool runner', async () => {
  const weather = betaZodTool({
    name: 'get_weather', description: 'Gets the weather.', inputSchema: z.object({ city: z.string() }), run: ({ city }) => `sun in ${city}`,
  });
  const last = await scripted.beta.messages.toolRunner({ ...ask('call get_weather {"city":"Paris"}'), tools: [weather] });
  assert.equal(last.content.at(-1).text, 'The tool said: sun in Paris');
});

test('errors and stop sequences', async () => {
  await assert.rejects(scripted.messages.create({ ...ask('x'), messages: [] }), (e) => e.status === 400 && e.error.error.type === 'invalid_request_error');
  const m = await scripted.messages.create({ ...ask('think'), stop_sequences: ['='] });
  assert.equal(m.stop_reason, 'stop_sequence');
  assert.equal(m.stop_sequence, '=');
});
