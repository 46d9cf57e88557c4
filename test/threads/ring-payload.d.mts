export function fillPayload(bytes: Uint8Array, at: number, size: number, seed: number): void;
export function isWhole(bytes: Uint8Array, start: number, end: number): boolean;
export function payloadSize(random: number, most: number): number;
export function nextRandom(state: number): number;
