// LangChain's models for OpenAI's APIs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HumanMessage, ToolMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { ChatOpenAI, OpenAI } from '@langchain/openai';
import { z } from 'zod';

const options = (url, more) => ({ model: 'x', apiKey: 'any', maxRetries: 0, configuration: { baseURL: url + '/v1' }, ...more });
const weather = tool(({ city }) => `sun in ${city}`, {
  name: 'get_weather', description: 'Gets the weather.', schema: z.object({ city: z.enum(['Paris', 'Rome']) }),
});

test('OpenAI', async () => {
  const text = await new OpenAI(options(process.env.TINY, { maxTokens: 5 })).invoke('In the');
  assert.ok(text.length > 0);
});

for (const useResponsesApi of [false, true]) {
  test(`ChatOpenAI, useResponsesApi ${useResponsesApi}`, async () => {
    const model = new ChatOpenAI(options(process.env.SCRIPTED, { useResponsesApi }));
    assert.equal((await model.invoke('think')).text, '2 + 2 = 4.');
    let text = '';
    for await (const chunk of await model.stream('think')) text += chunk.text;
    assert.equal(text, '2 + 2 = 4.');
    const bound = model.bindTools([weather]);
    const messages = [new HumanMessage('call get_weather {"city":"Paris"}')];
    const call = await bound.invoke(messages);
    assert.deepEqual(call.tool_calls[0].args, { city: 'Paris' });
    messages.push(call, new ToolMessage({ content: await weather.invoke(call.tool_calls[0].args), tool_call_id: call.tool_calls[0].id }));
    assert.equal((await bound.invoke(messages)).text, 'The tool said: sun in Paris');
  });
}

test('withStructuredOutput', async () => {
  const schema = z.object({ name: z.string().max(20), day: z.enum(['Mon', 'Tue']) });
  const model = new ChatOpenAI(options(process.env.TINY, { maxTokens: 400 }));
  for (const method of ['jsonSchema', 'functionCalling']) schema.parse(await model.withStructuredOutput(schema, { name: 'event', method }).invoke('An event?'));
});
