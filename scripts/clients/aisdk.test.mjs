// Vercel's AI SDK with its providers for OpenAI (Responses and chat), compatible
// servers and Anthropic.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, streamText, Output, isStepCount, stepCountIs, tool } from 'ai';
import { z } from 'zod';

const base = (url) => ({ baseURL: url + '/v1', apiKey: 'any' });
const models = (url) => {
  const openai = createOpenAI(base(url));
  return {
    responses: openai.responses('x'),
    chat: openai.chat('x'),
    compatible: createOpenAICompatible({ name: 'gptoss', supportsStructuredOutputs: true, ...base(url) })('x'),
    anthropic: createAnthropic(base(url))('x'),
  };
};
const untilDone = (isStepCount ?? stepCountIs)(3);
const tools = {
  get_weather: tool({
    description: 'Gets the weather.',
    inputSchema: z.object({ city: z.enum(['Paris', 'Rome']) }),
    execute: async ({ city }) => `sun in ${city}`,
  }),
};

for (const [name, model] of Object.entries(models(process.env.SCRIPTED))) {
  test(`${name}: text, stream, tool loop`, async () => {
    assert.equal((await generateText({ model, prompt: 'think', maxRetries: 0 })).text, '2 + 2 = 4.');
    let text = '';
    for await (const part of streamText({ model, prompt: 'think', maxRetries: 0 }).textStream) text += part;
    assert.equal(text, '2 + 2 = 4.');
    const loop = await generateText({ model, tools, stopWhen: untilDone, prompt: 'call get_weather {"city":"Paris"}', maxRetries: 0 });
    assert.match(loop.text, /The tool said: .*sun in Paris/);
    const streamed = streamText({ model, tools, stopWhen: untilDone, prompt: 'call get_weather {"city":"Rome"}', maxRetries: 0 });
    assert.match(await streamed.text, /The tool said: .*sun in Rome/);
  });
}

for (const [name, model] of Object.entries(models(process.env.TINY))) {
  if (name === 'anthropic') continue;
  test(`${name}: an object of the tiny model`, async () => {
    const schema = z.object({ name: z.string().max(20), day: z.enum(['Mon', 'Tue']) });
    const { output } = await generateText({ model, output: Output.object({ schema }), prompt: 'An event?', maxOutputTokens: 400, maxRetries: 0 });
    schema.parse(output);
  });
}
