import { describe, expect, it } from 'vitest';
import { OriginRules } from '../../src/edge/origin-rules.ts';
import type { OriginSettings } from '../../src/edge/origin-rules.ts';

const LOOPBACK: OriginSettings = {
  listenHost: '127.0.0.1',
  isLoopback: true,
  allowedHosts: null,
  allowedOrigins: null,
  publicUrl: null,
};
const ANYWHERE: OriginSettings = { ...LOOPBACK, listenHost: '0.0.0.0', isLoopback: false };

function hosts(settings: OriginSettings, ...texts: string[]): boolean[] {
  const rules = new OriginRules(settings);
  return texts.map((text) => rules.isHostAllowed(text));
}

function origins(settings: OriginSettings, ...texts: string[]): boolean[] {
  const rules = new OriginRules(settings);
  return texts.map((text) => rules.isOriginAllowed(text));
}

const YES = true;
const NO = false;

describe('Host', () => {
  it('on loopback is a loopback name at any port', () => {
    expect(
      hosts(
        LOOPBACK,
        'localhost',
        'LOCALHOST:8080',
        '127.0.0.1',
        '127.0.0.1:1',
        '[::1]',
        '[::1]:65535',
      ),
    ).toEqual([YES, YES, YES, YES, YES, YES]);
    expect(hosts({ ...LOOPBACK, listenHost: '127.0.0.2' }, '127.0.0.2:8080', '127.0.0.3')).toEqual([
      YES,
      NO,
    ]);
  });

  it('on loopback is nothing that only looks like one', () => {
    const texts = [
      ...[
        '',
        'evil.example',
        'localhost.evil.example',
        'evil.example:8080',
        '127.0.0.1.evil.example',
      ],
      ...[
        'localhost.',
        'localhost:',
        'localhost:x',
        'localhost:123456',
        'localhost:8080:8080',
        '::1',
      ],
      ...[
        '[::1',
        '[::1]x',
        'user@localhost',
        'localhost/',
        'localhost ',
        '127.1',
        '0.0.0.0',
        '10.0.0.1',
      ],
      ...['localhost,evil.example', 'local\u0000host', '[::1]:', `localhost${' '.repeat(300)}`],
    ];
    expect(hosts(LOOPBACK, ...texts)).toEqual(texts.map(() => NO));
  });

  it('elsewhere is an address or what is listened on, never another name', () => {
    const good = [
      '192.168.1.5',
      '192.168.1.5:8080',
      '[2001:db8::1]:8080',
      'localhost:8080',
      '0.0.0.0:8080',
    ];
    const bad = [
      'evil.example',
      'evil.example:80',
      '1.2.3',
      '1.2.3.4.evil.example',
      '::1',
      '[1.2.3.4]',
      '[]',
      '',
    ];
    expect(hosts(ANYWHERE, ...good)).toEqual(good.map(() => YES));
    expect(hosts(ANYWHERE, ...bad)).toEqual(bad.map(() => NO));
    expect(
      hosts({ ...ANYWHERE, listenHost: 'Gateway.lan' }, 'gateway.lan:80', 'other.lan'),
    ).toEqual([YES, NO]);
  });

  it('that is configured takes the place of what holds elsewhere by default', () => {
    const settings = { ...ANYWHERE, allowedHosts: ['Mcp.Example', 'exact.example:8443'] };
    expect(hosts(settings, 'mcp.example', 'MCP.example:9', 'exact.example:8443')).toEqual([
      YES,
      YES,
      YES,
    ]);
    expect(
      hosts(
        settings,
        'exact.example',
        'exact.example:1',
        '192.168.1.5',
        'localhost',
        'a.mcp.example',
      ),
    ).toEqual([...[NO, NO, NO, NO, NO]]);
    expect(hosts({ ...ANYWHERE, allowedHosts: [] }, '192.168.1.5', 'localhost')).toEqual([NO, NO]);
  });

  it('on loopback may be more names, and the public one', () => {
    const settings = {
      ...LOOPBACK,
      allowedHosts: ['mcp.example'],
      publicUrl: { host: 'public.example', origin: 'https://public.example' },
    };
    expect(
      hosts(settings, 'localhost:1', 'mcp.example', 'public.example', 'other.example'),
    ).toEqual([...[YES, YES, YES, NO]]);
  });

  it('may be anything only where * is written', () => {
    expect(hosts({ ...ANYWHERE, allowedHosts: ['*'] }, 'evil.example', '')).toEqual([YES, NO]);
    expect(hosts({ ...ANYWHERE, allowedHosts: ['*.example'] }, 'a.example', '*.example')).toEqual([
      NO,
      YES,
    ]);
  });

  it('is judged anew whenever it changes', () => {
    expect(hosts(LOOPBACK, 'localhost', 'localhost', 'evil', 'evil', 'localhost', '')).toEqual([
      ...[YES, YES, NO, NO, YES, NO],
    ]);
  });
});

describe('Letters outside of ASCII', () => {
  it('are no other way to write those of an allowed host or origin', () => {
    // The Kelvin sign in lower case is a k.
    const settings = {
      ...LOOPBACK,
      allowedHosts: ['kit.example'],
      allowedOrigins: ['https://kit.example'],
    };
    expect(hosts(settings, 'KIT.example', '\u212ait.example')).toEqual([YES, NO]);
    expect(origins(settings, 'https://KIT.example', 'https://\u212ait.example')).toEqual([YES, NO]);
  });
});

describe('Origin', () => {
  it('may be absent', () => {
    expect([...origins(LOOPBACK, ''), ...origins(ANYWHERE, '')]).toEqual([YES, YES]);
  });

  it('on loopback is a loopback page at any port', () => {
    expect(
      origins(
        LOOPBACK,
        'http://localhost',
        'http://localhost:3000',
        'https://127.0.0.1:1',
        'HTTP://[::1]:3000',
      ),
    ).toEqual([YES, YES, YES, YES]);
  });

  it('is nothing that only looks like an allowed one', () => {
    const texts = [
      ...[
        'null',
        'https://evil.example',
        'http://localhost.evil.example',
        'http://evil.example:80',
      ],
      ...[
        'http://localhost:',
        'http://localhost/',
        'http://localhost:80/',
        'localhost',
        '//localhost',
      ],
      ...[
        'ftp://localhost',
        'http://user@localhost',
        'http:/localhost',
        'http://localhost:3000:1',
        'file://',
      ],
      ...[
        'http://localhost http://evil.example',
        'chrome-extension://abc',
        'http://127.0.0.1.evil.example',
      ],
    ];
    expect(origins(LOOPBACK, ...texts)).toEqual(texts.map(() => NO));
  });

  it('elsewhere is none that was not written down, not even that of an address', () => {
    expect(
      origins(ANYWHERE, 'http://localhost', 'http://192.168.1.5', 'https://a.example'),
    ).toEqual([NO, NO, NO]);
  });

  it('that is configured is compared as browsers write it', () => {
    const settings = {
      ...ANYWHERE,
      allowedOrigins: [
        'https://App.Example:443/',
        'http://dev.example:3000',
        'vscode-webview://abc',
        'null',
      ],
      publicUrl: { host: 'public.example', origin: 'https://public.example' },
    };
    expect(
      origins(
        settings,
        ...['https://app.example', 'http://dev.example:3000', 'vscode-webview://abc', 'null'],
        ...['https://public.example'],
      ),
    ).toEqual([YES, YES, YES, YES, YES]);
    expect(
      origins(
        settings,
        ...[
          'http://app.example',
          'https://app.example:444',
          'http://dev.example',
          'vscode-webview://abd',
        ],
        ...['https://public.example:1', 'http://dev.example:3001'],
      ),
    ).toEqual([NO, NO, NO, NO, NO, NO]);
  });

  it('may be anything only where * is written', () => {
    expect(origins({ ...ANYWHERE, allowedOrigins: ['*'] }, 'https://evil.example', 'null')).toEqual(
      [YES, YES],
    );
    expect(
      origins({ ...ANYWHERE, allowedOrigins: ['https://*.example'] }, 'https://a.example'),
    ).toEqual([NO]);
  });
});
