// OpenAI's Agents SDK, and what OpenAI's own compatibility test of servers for
// gpt-oss looks for: reasoning where it expects it, and calls that fit their schema.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, setTracingDisabled, tool } from '@openai/agents';
import OpenAI from 'openai';

setTracingDisabled(true);
const client = new OpenAI({ baseURL: process.env.SCRIPTED + '/v1', apiKey: 'any', maxRetries: 0 });
const query = {
  name: 'query_database', description: 'Looks up rows.', strict: false,
  parameters: {
    type: 'object', properties: { table: { type: 'string' }, columns: { type: 'array', items: { type: 'string' } }, limit: { type: 'integer', default: 100 } },
    required: ['table', 'columns'], additionalProperties: false,
  },
  execute: async () => '{"row_count":2}',
};
const health = { name: 'get_system_health', description: 'Tells the health.', strict: false, parameters: { type: 'object', properties: {} }, execute: async () => 'well' };

for (const [name, model] of Object.entries({ chat: new OpenAIChatCompletionsModel(client, 'x'), responses: new OpenAIResponsesModel(client, 'x') })) {
  for (const [made, args] of [[query, '{"table":"users","columns":["id"]}'], [health, '{}']]) {
    for (const stream of [false, true]) {
      test(`${name}: ${made.name}${stream ? ', streamed' : ''}`, async () => {
        const agent = new Agent({ name: 'a', instructions: 'Be brief.', tools: [tool(made)] });
        const result = await new Runner({ model }).run(agent, `call ${made.name} ${args}`, { stream });
        let thought = '';
        if (stream) {
          for await (const event of result) {
            const e = event.data?.event;
            thought += e?.choices?.[0]?.delta?.reasoning ?? (e?.type === 'response.reasoning_text.delta' ? e.delta : '');
          }
          await result.completed;
        } else {
          const { output, choices } = result.rawResponses[0].providerData;
          thought = choices ? choices[0].message.reasoning : output.find((o) => o.type === 'reasoning').content[0].text;
        }
        assert.equal(thought.slice(0, 8), 'Call it.');
        const called = result.newItems.find((i) => i.type === 'tool_call_item').rawItem;
        assert.deepEqual([called.name, JSON.parse(called.arguments)], [made.name, JSON.parse(args)]);
        assert.equal(result.finalOutput, `The tool said: ${await made.execute()}`);
      });
    }
  }
}
