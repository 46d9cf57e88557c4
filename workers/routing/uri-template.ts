/**
 * Whether a URI can come from a URI template (RFC 6570, levels 1 to 3 as MCP servers use them). Only
 * for routing: the upstream decides in the end. A template is cut into literals; an expression
 * matches at least one character, `{x}` none of `/`, `?` and `#`, the others anything. Matching is greedy
 * from the left without backtracking over more than the literals, so its time is linear in the URI
 * for each literal.
 */
export class UriTemplate {
  readonly #parts: readonly TemplatePart[];

  constructor(template: string) {
    const parts: TemplatePart[] = [];
    for (const match of template.matchAll(/\{([^{}]*)\}|([^{}]+)/g)) {
      const expression = match[1];
      if (expression === undefined) parts.push({ literal: match[2] as string, isOpen: false });
      else parts.push({ literal: null, isOpen: /^[+#/?&.;]|\*$/.test(expression) });
    }
    this.#parts = parts;
  }

  matches(uri: string): boolean {
    return matchParts(this.#parts, 0, uri, 0);
  }
}

interface TemplatePart {
  /** null: an expression. */
  readonly literal: string | null;
  /** The expression may match separators as well. */
  readonly isOpen: boolean;
}

function matchParts(
  parts: readonly TemplatePart[],
  index: number,
  uri: string,
  at: number,
): boolean {
  let position = at;
  for (let i = index; i < parts.length; i += 1) {
    const part = parts[i] as TemplatePart;
    if (part.literal !== null) {
      if (!uri.startsWith(part.literal, position)) return false;
      position += part.literal.length;
      continue;
    }
    const next = parts[i + 1];
    if (next === undefined)
      return position < uri.length && isAllowed(part, uri, position, uri.length);
    // Two expressions in a row: the second takes what the first leaves, one character is enough.
    const stop = next.literal === null ? position + 1 : uri.indexOf(next.literal, position + 1);
    if (stop <= position || stop > uri.length || !isAllowed(part, uri, position, stop))
      return false;
    position = stop;
  }
  return position === uri.length;
}

function isAllowed(part: TemplatePart, uri: string, start: number, end: number): boolean {
  if (part.isOpen) return true;
  for (let i = start; i < end; i += 1) {
    const code = uri.charCodeAt(i);
    if (code === 0x2f || code === 0x3f || code === 0x23) return false;
  }
  return true;
}
