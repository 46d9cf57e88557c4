/**
 * What a child process may see of our environment. The gateway's own variables hold its secrets
 * (signing keys, tokens of other upstreams), and an MCP server is somebody else's code: it gets
 * the few variables that programs need to find their way, and what is configured for it.
 *
 * The list is that of the official SDK's stdio client (which follows sudo), plus locale, time zone
 * and the folder for temporary files, without which text and dates come out wrong.
 */
const INHERITED_POSIX: readonly string[] = [
  'HOME',
  'LANG',
  'LC_ALL',
  'LC_CTYPE',
  'LOGNAME',
  'PATH',
  'SHELL',
  'TERM',
  'TMPDIR',
  'TZ',
  'USER',
];

const INHERITED_WINDOWS: readonly string[] = [
  'APPDATA',
  'COMSPEC',
  'HOMEDRIVE',
  'HOMEPATH',
  'LOCALAPPDATA',
  'PATH',
  'PATHEXT',
  'PROCESSOR_ARCHITECTURE',
  'PROGRAMFILES',
  'SYSTEMDRIVE',
  'SYSTEMROOT',
  'TEMP',
  'TMP',
  'USERNAME',
  'USERPROFILE',
  'WINDIR',
];

/** Names of the variables that every child inherits on this platform. */
export function inheritedNames(platform: NodeJS.Platform = process.platform): readonly string[] {
  return platform === 'win32' ? INHERITED_WINDOWS : INHERITED_POSIX;
}

/**
 * The full environment of a child: the inherited part of `source`, then what is configured, which
 * wins. A shell function exported in a variable (its value begins with `()`) is never passed on.
 */
export function childEnvironment(
  configured: Iterable<readonly [string, string]>,
  source: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const name of inheritedNames(platform)) {
    const value = source[name];
    if (value !== undefined && !value.startsWith('()')) environment[name] = value;
  }
  for (const [name, value] of configured) environment[name] = value;
  return environment;
}
