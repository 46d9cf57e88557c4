import { describe, expect, it } from 'vitest';
import { optionsFor } from '../../support/http-bench.ts';
import { createHttpClient } from '../../../src/transport/http/create-http-client.ts';
import { readRequestHead, requestHeadPrefix } from '../../../src/transport/http/request-head.ts';

const url = new URL('http://user:secret@example.test:81/a%20b?c=d#e');

describe('the request head', () => {
  it('holds request line, Host and the fields given, and no credentials of the URL', () => {
    expect(requestHeadPrefix(url, 'POST', [['X-A', 'b c']]).toString()).toBe(
      'POST /a%20b?c=d HTTP/1.1\r\nhost: example.test:81\r\nX-A: b c\r\n',
    );
    const ipv6 = new URL('http://[::1]/');
    expect(requestHeadPrefix(ipv6, 'GET', []).toString()).toBe('GET / HTTP/1.1\r\nhost: [::1]\r\n');
  });

  it('lets another Host take the place of that of the URL', () => {
    expect(requestHeadPrefix(url, 'GET', [['Host', 'other']]).toString()).toBe(
      'GET /a%20b?c=d HTTP/1.1\r\nHost: other\r\n',
    );
  });

  it('refuses what could break the head or its framing, and never shows a value', () => {
    const refused: [string, string][] = [
      ['', 'a'],
      ['a b', 'a'],
      ['a:', 'a'],
      ['x', 'secret\r\ninjected: 1'],
      ['x', 'secret\n'],
      ['x', 'secret\0'],
      ['x', 'secret\u{1f600}'],
      ['Content-Length', 'secret'],
      ['transfer-encoding', 'secret'],
      ['Connection', 'secret'],
    ];
    for (const field of refused) {
      let message = 'taken';
      try {
        requestHeadPrefix(url, 'POST', [field]);
      } catch (error) {
        message = (error as Error).message;
      }
      expect(message).toContain('header field');
      expect(message).not.toContain('secret');
    }
  });

  it('is taken apart as it was put together', () => {
    const prefix = requestHeadPrefix(url, 'DELETE', [['x-a', 'b: c']]);
    const bytes = Buffer.concat([Buffer.from('##'), prefix, Buffer.from('x-e:\r\n\r\nbody')]);
    expect(readRequestHead(bytes, 2, bytes.length)).toEqual({
      method: 'DELETE',
      path: '/a%20b?c=d',
      headers: ['host', 'example.test:81', 'x-a', 'b: c', 'x-e', ''],
      bodyStart: bytes.length - 4,
    });
    expect(() => readRequestHead(bytes, 2, bytes.length - 5)).toThrow('not complete');
  });
});

describe('the choice of client', () => {
  it('takes http and https, and nothing else', async () => {
    const create = (text: string) => createHttpClient(optionsFor(new URL(text)));
    await Promise.all(['http://a/', 'https://a/'].map((text) => create(text).close()));
    expect(() => create('ftp://a/')).toThrow('scheme is not supported');
  });
});
