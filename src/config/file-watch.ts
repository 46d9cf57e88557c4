/**
 * Tells when the content of one file has changed. Watches the folder, not the file: editors and
 * configuration mounts put a new file in its place, and a watch on the old one would stay with the
 * old one. If the path goes through links, the folder where it ends is watched too. Looks at the content, so that a touched but equal file is no change, and waits until writes
 * have ceased for a moment.
 */
import { createHash } from 'node:crypto';
import { readFileSync, realpathSync, watch, type FSWatcher } from 'node:fs';
import { dirname, resolve } from 'node:path';

export const QUIET_MS = 150;

export class FileWatch {
  readonly #file: string;
  readonly #onChange: () => void;
  readonly #onError: (error: Error) => void;
  /** By folder. */
  readonly #watchers = new Map<string, FSWatcher>();
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
    this.#onError = onError;
    this.#seen = this.#fingerprint();
    this.#watchFolders();
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  /** Watches what is not watched yet, and lets go of the folder of an older link. */
  #watchFolders(): void {
    const folders = new Set([dirname(this.#file)]);
    try {
      folders.add(dirname(realpathSync(this.#file)));
    } catch {
      // The file is gone for the moment: its own folder tells when it is back.
    }
    for (const [folder, watcher] of this.#watchers) {
      if (folders.has(folder)) continue;
      watcher.close();
      this.#watchers.delete(folder);
    }
    for (const folder of folders) {
      if (this.#watchers.has(folder)) continue;
      // Any event in the folder counts: what is renamed may be a link that the path goes through.
      const watcher = watch(folder, { persistent: false }, () => this.#arm());
      watcher.on('error', this.#onError);
      this.#watchers.set(folder, watcher);
    }
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
    try {
      this.#watchFolders();
    } catch (error) {
      this.#onError(error instanceof Error ? error : new Error(String(error)));
    }
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
