// infer/server/testdata/requests.jsonl has all that the libraries' types allow.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

test('the requests that Go tests send are those of the types', () => {
  const of = (lines) => lines.trim().split('\n').map((l) => { const { path, at, body } = JSON.parse(l); return JSON.stringify({ path, at, body }); });
  const made = execFileSync('node', ['requests.mjs'], { encoding: 'utf8', maxBuffer: 1 << 26 });
  assert.deepEqual(of(readFileSync('../../infer/server/testdata/requests.jsonl', 'utf8')), of(made));
});
