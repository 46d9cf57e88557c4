/**
 * Small values that several sections of the settings share, each with the one check that belongs to
 * it. Checks that need a second value (a key and its algorithm) are in the `compile-` files.
 */
import { z } from 'zod';
import { parseAddressRange } from './address-range.ts';
import { globProblem } from './plan-glob.ts';

/** Field names of RFC 9110 §5.1. */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/;
/** Visible ASCII, space and tab, no blank at the ends (RFC 9110 §5.5, without obs-text). */
const HEADER_VALUE = /^(?:[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?)?$/;
/** RFC 6749 §3.3: no space, quote or backslash. */
const SCOPE = /^[\x21\x23-\x5b\x5d-\x7e]{1,256}$/;

/** Longest text setting that is no key material. */
const TEXT_MAX = 4096;

export const text = (): z.ZodString => z.string().min(1).max(TEXT_MAX);

/** A duration in milliseconds. `max` is a day unless said otherwise: longer is a slip of units. */
export const milliseconds = (min = 1, max = 86_400_000): z.ZodInt => z.int().min(min).max(max);

export const port = (): z.ZodInt => z.int().min(0).max(65_535);

export const headerName = (): z.ZodString =>
  z.string().regex(HEADER_NAME, 'is not a header name (RFC 9110 §5.1)');

export const headerValue = (): z.ZodString =>
  z
    .string()
    .max(8192)
    .regex(HEADER_VALUE, 'is not a header value: visible ASCII only, no line breaks');

export const scope = (): z.ZodString =>
  z.string().regex(SCOPE, 'is not a scope: visible ASCII without space, quote or backslash');

export const scopeList = (): z.ZodArray<z.ZodString> => z.array(scope()).max(64);

/** A text that a function finds nothing wrong with. */
const judged = (problemOf: (value: string) => string | null): z.ZodString =>
  z
    .string()
    .max(TEXT_MAX)
    .superRefine((value, context) => {
      const problem = problemOf(value);
      if (problem !== null) context.addIssue({ code: 'custom', message: problem });
    });

/** An address of an HTTP server: no fragment, no user or password in it. */
export const httpUrl = (): z.ZodString => judged(httpUrlProblem);

/** What is wrong with a URL, or null. Never repeats the URL: it may carry a secret. */
export function httpUrlProblem(value: string): string | null {
  if (!URL.canParse(value)) return 'is not a URL';
  const url = new URL(value);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    return 'must be an http: or https: URL';
  if (url.username !== '' || url.password !== '')
    return 'must not carry a user or password; use a header or auth';
  if (url.hash !== '' || value.includes('#')) return 'must not have a fragment';
  return null;
}

export const addressRange = (): z.ZodString =>
  z
    .string()
    .max(64)
    .refine(
      (value) => parseAddressRange(value) !== null,
      'is not an address or range, e.g. 10.0.0.0/8 or fd00::/8',
    );

export const glob = (): z.ZodString => judged(globProblem);

/** One value or a list of them. */
export function oneOrMore<T extends z.ZodType>(
  item: T,
  max: number,
): z.ZodUnion<[T, z.ZodArray<T>]> {
  return z.union([item, z.array(item).min(1).max(max)]);
}

/** The list that `oneOrMore` stands for. */
export function listOf<T>(value: T | readonly T[] | undefined): readonly T[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? (value as readonly T[]) : [value as T];
}
