// Two coding agents complete a turn with a call of a tool and its result, against
// a scripted engine (SCRIPTED).
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const bin = (name) => fileURLToPath(new URL(`node_modules/.bin/${name}`, import.meta.url));

// run starts an agent in a home and a workspace of its own, and returns what it says.
async function run(name, args, files) {
  const home = mkdtempSync(join(tmpdir(), 'agent-'));
  const work = join(home, 'work');
  mkdirSync(work);
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(join(home, path, '..'), { recursive: true });
      writeFileSync(join(home, path), text);
    }
    return await new Promise((resolve, reject) => {
      const env = { ...process.env, HOME: home, PWD: work, CODEX_HOME: join(home, '.codex') };
      delete env.NODE_TEST_CONTEXT;
      const child = spawn(bin(name), args, { cwd: work, env, stdio: ['ignore', 'pipe', 'pipe'], timeout: 120_000 });
      let said = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => { said += data; });
      child.on('error', reject);
      child.on('close', (code) => (code === 0 ? resolve(said) : reject(new Error(`${name} ended with ${code}: ${said}`))));
    });
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

test('Codex', async () => {
  const said = await run('codex', ['exec', '--skip-git-repo-check', 'call exec_command {"cmd":"echo from-the-tool"}'], {
    '.codex/config.toml': `model = "gpt-oss"
model_provider = "local"
approval_policy = "never"
sandbox_mode = "danger-full-access"
[model_providers.local]
name = "local"
base_url = "${process.env.SCRIPTED}/v1"
wire_api = "responses"
`,
  });
  assert.match(said, /The tool said: [\s\S]*from-the-tool/);
});

test('opencode', async () => {
  const config = {
    provider: {
      local: {
        npm: '@ai-sdk/openai-compatible', name: 'local', options: { baseURL: process.env.SCRIPTED + '/v1', apiKey: 'any' },
        models: { 'gpt-oss': { name: 'gpt-oss', limit: { context: 131072, output: 8192 } } },
      },
    },
    permission: { bash: 'allow' }, autoupdate: false, share: 'disabled',
  };
  const said = await run('opencode', ['run', '-m', 'local/gpt-oss', 'call bash {"command":"echo from-the-tool","description":"says a word"}'],
    { 'work/opencode.json': JSON.stringify(config) });
  assert.match(said, /The tool said: [\s\S]*from-the-tool/);
});
