import { describe, expect, it } from 'vitest';
import { UriTemplate } from '../../workers/routing/uri-template.ts';

describe('a URI template', () => {
  it.each([
    ['data://users/{id}', 'data://users/1', true],
    ['data://users/{id}', 'data://users/', false],
    ['data://users/{id}', 'data://users/1/posts', false],
    ['data://users/{id}/posts/{post}', 'data://users/1/posts/2', true],
    ['file:///{+path}', 'file:///a/b/c.txt', true],
    ['file:///{path*}', 'file:///a/b', true],
    ['db://{table}.{column}', 'db://users.name', true],
    ['a{x}{y}', 'abc', true],
    ['a{x}{y}', 'ab', false],
    ['plain://uri', 'plain://uri', true],
    ['plain://uri', 'plain://uri2', false],
    ['{scheme}://x', 'http://x', true],
  ])('%s against %s: %s', (template, uri, matches) => {
    expect(new UriTemplate(template).matches(uri)).toBe(matches);
  });

  it('takes time in proportion to the URI, however often its literals repeat', () => {
    const template = new UriTemplate(`${'{a}x'.repeat(40)}end`);
    expect(template.matches('x'.repeat(100_000))).toBe(false);
  });
});
