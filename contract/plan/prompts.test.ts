import assert from 'node:assert/strict';
import { test } from 'node:test';
import { placeholders, renderPrompt, strayBrace } from './prompts.ts';

test('names in braces are replaced wherever they stand', () => {
  const words = { age: '63', sex: 'female', impression: 'Normal .' };
  assert.equal(renderPrompt('{age} {sex}, {age}: {impression}', words), '63 female, 63: Normal .');
  assert.deepEqual(placeholders('{age} {sex}, {age}: {impression}'), ['age', 'sex', 'impression']);
});

test('text that is put in is not read again', () => {
  assert.equal(renderPrompt('{a}{b}', { a: '{b}', b: '$& $1 {a}' }), '{b}$& $1 {a}');
});

test('inherited members are no words', () => {
  assert.equal(renderPrompt('{constructor} {toString}', {}), '{constructor} {toString}');
});

test('braces that enclose no name are found', () => {
  assert.equal(strayBrace('{age} and {sex}'), null);
  for (const template of ['{ age }', '{age', 'age}', '{}', '{age-group}', '{{age}}', '{1st}']) {
    assert.notEqual(strayBrace(template), null, template);
  }
  assert.equal(strayBrace('a woman of about { age } years'), ' of about { age } yea');
});
