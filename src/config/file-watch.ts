/**
 * Tells when the content of one file has changed. Watches the folder, not the file: editors and
 * configuration mounts put a new file in its place, and a watch on the old one would stay with the
 * old one. Looks at the content, so that a touched but equal file is no change, and waits until writes
 * have ceased for a moment.
 */
import { createHash } from 'node:crypto';
import { readFileSync, watch, type FSWatcher } from 'node:fs';
import { dirname, resolve } from 'node:path';

export const QUIET_MS = 150;

export class FileWatch {
  readonly #file: string;
  readonly #onChange: () => void;
  readonly #watcher: FSWatcher;
  #timer: NodeJS.Timeout | null = null;
  #seen: string;

  /**
   * @param onChange called once per change, never from within the constructor
   * @param onError the folder cannot be watched any longer
   * @throws Error if it cannot be watched at all
   */
  constructor(file: string, onChange: () => void, onError: (error: Error) => void) {
    this.#file = resolve(file);
    this.#onChange = onChange;
    this.#seen = this.#fingerprint();
    // Any event in the folder counts: what is renamed may be a link that the file's path goes through.
    this.#watcher = watch(dirname(this.#file), { persistent: false }, () => this.#arm());
    this.#watcher.on('error', onError);
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#watcher.close();
  }

  #arm(): void {
    if (this.#timer !== null) {
      this.#timer.refresh();
      return;
    }
    this.#timer = setTimeout(() => this.#look(), QUIET_MS);
    this.#timer.unref();
  }

  #look(): void {
    this.#timer = null;
    const now = this.#fingerprint();
    if (now === this.#seen || now === '') return; // gone for the moment: its successor is an event too
    this.#seen = now;
    this.#onChange();
  }

  #fingerprint(): string {
    try {
      return createHash('sha256').update(readFileSync(this.#file)).digest('hex');
    } catch {
      return '';
    }
  }
}
