import { describe, expect, it } from 'vitest';

import { childEnvironment } from '../../../src/transport/stdio/child-environment.ts';

describe('childEnvironment', () => {
  const source = {
    PATH: '/bin',
    HOME: '/home/x',
    TZ: 'UTC',
    SHELL: '() { echo hijacked; }',
    JWT_SECRET: 'hidden',
    NODE_OPTIONS: '--require=x',
    SystemRoot: 'C:\\Windows',
  };

  it('inherits the safe names only, and never a shell function', () => {
    expect(childEnvironment([], source, 'linux')).toEqual({
      PATH: '/bin',
      HOME: '/home/x',
      TZ: 'UTC',
    });
  });

  it('lets what is configured win over what is inherited', () => {
    const environment = childEnvironment([['PATH', '/opt/bin'], ['JWT_SECRET', 'its own']], source, 'linux'); // prettier-ignore
    expect(environment).toMatchObject({ PATH: '/opt/bin', JWT_SECRET: 'its own' });
  });

  it('knows the names of Windows', () => {
    expect(childEnvironment([], { PATH: 'C:\\', APPDATA: 'x', LANG: 'de' }, 'win32')).toEqual({
      PATH: 'C:\\',
      APPDATA: 'x',
    });
  });
});
