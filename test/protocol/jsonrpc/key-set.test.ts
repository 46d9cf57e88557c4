import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeySet } from '../../../src/protocol/jsonrpc/key-set.ts';
import { MEMBER_NAMES, MEMBERS } from '../../../src/protocol/jsonrpc/member.ts';
import { foldKey } from '../support/messages.ts';

const letter = fc.constantFrom('a', 'b', 'k', 'S', '_', '-', '1');
const name = fc.array(letter, { minLength: 1, maxLength: 6 }).map((letters) => letters.join(''));
const names = fc.uniqueArray(name, { minLength: 1, maxLength: 20 });

describe('a key set', () => {
  it('finds each of its names and nothing else', () => {
    fc.assert(
      fc.property(names, name, (names, other) => {
        const keys = new KeySet(['', ...names]);
        for (const text of [...names, other]) {
          const id = names.indexOf(text) + 1;
          const bytes = Buffer.from(`"${text}":`);
          const end = bytes.length;
          expect(keys.find(bytes, 1, 1 + text.length)).toBe(id);
          expect(keys.match(bytes, 1, end)).toBe(id);
          if (id > 0) expect(keys.sizeOf(id)).toBe(text.length + 1);
          // A quote that is not there yet, or is not there at all, ends no name.
          expect(keys.match(bytes, 1, end - 2)).toBe(0);
          expect(keys.match(Buffer.from(`"${text}x"`), 1, text.length + 3)).toBe(
            names.indexOf(`${text}x`) + 1,
          );
        }
      }),
    );
  });

  it('finds what lenient parsers read', () => {
    fc.assert(
      fc.property(
        names,
        name,
        fc.constantFrom('', '\0', '\u212a', 'ſ', 'é', '😀'),
        (names, text, odd) => {
          const keys = new KeySet(['', ...names]);
          const bytes = Buffer.from(JSON.stringify(text + odd));
          const found = keys.findLoosely(bytes, 1, bytes.length - 1);
          const exact = names.indexOf(text + odd);
          const folded = names.map(foldKey).includes(foldKey(text + odd));
          if (exact >= 0) expect(found).toBe(exact + 1);
          else expect(found < 0).toBe(folded);
        },
      ),
    );
  });

  it('of every level finds the members of that level', () => {
    MEMBER_NAMES.forEach((names, level) => {
      names.forEach((name, member) => {
        if (member === 0) return;
        const bytes = Buffer.from(`${name}"`);
        expect(MEMBERS[level].match(bytes, 0, bytes.length)).toBe(member);
      });
    });
  });
});
