/** The live line on stderr; where that is no terminal, one line per step. */
export class Progress {
  readonly #isLive: boolean = process.stderr.isTTY;

  show(text: string): void {
    process.stderr.write(this.#isLive ? `\r\u001b[2K${text}` : `${text}\n`);
  }

  clear(): void {
    if (this.#isLive) process.stderr.write('\r\u001b[2K');
  }
}
