/** IndexedDB as promises: one database for each page that keeps things and each person who uses it. Source: W3C Indexed Database API 3. */

export type StoreName = 'keys' | 'records' | 'outbox' | 'files';
/** One write among several that are done together, or not at all. */
export type Write = { store: StoreName; value: unknown; key?: IDBValidKey };

/**
 * Why nothing can be written: `full`, the device has no room for it; `shut`, the browser gave its store up on a full disk, with all
 * that was durable, and opens it again once it was started anew (Chromium, measured: it says so by several names). Null for what is
 * no answer of the browser.
 */
export function unwritten(error: unknown): 'full' | 'shut' | null {
  if (!(error instanceof DOMException)) return null;
  return error.name === 'QuotaExceededError' ? 'full' : 'shut';
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('IndexedDB'));
  });
}

export class Database {
  readonly #db: IDBDatabase;

  private constructor(db: IDBDatabase) {
    this.#db = db;
    // Another tab wipes it: let go, or the wipe would wait for this tab.
    db.onversionchange = () => db.close();
  }

  /** `files`: whether it keeps files too. */
  static async open(name: string, files: boolean): Promise<Database> {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore('keys');
      request.result.createObjectStore('records');
      request.result.createObjectStore('outbox', { autoIncrement: true });
      if (files) request.result.createObjectStore('files');
    };
    return new Database(await settled(request));
  }

  /** Everything that was kept under this name on this device, gone. */
  static async wipe(name: string): Promise<void> {
    await settled(indexedDB.deleteDatabase(name));
  }

  async get<T>(store: StoreName, key: IDBValidKey): Promise<T | undefined> {
    return settled(this.#db.transaction(store).objectStore(store).get(key)) as Promise<T | undefined>;
  }

  async all<T>(store: StoreName): Promise<[IDBValidKey, T][]> {
    const found = this.#db.transaction(store).objectStore(store);
    const [keys, values] = await Promise.all([settled(found.getAllKeys()), settled(found.getAll())]);
    return keys.map((key, i) => [key, values[i] as T]);
  }

  /** Durable when it returns: what a person was told is kept survives a power cut. */
  async put(store: StoreName, value: unknown, key?: IDBValidKey): Promise<IDBValidKey> {
    const work = this.#db.transaction(store, 'readwrite', { durability: 'strict' });
    const request = work.objectStore(store).put(value, key);
    await this.#done(work);
    return request.result;
  }

  /** Several writes in one transaction, durable when it returns; gives the key of the first. */
  async write(writes: Write[]): Promise<IDBValidKey | undefined> {
    const names = [...new Set(writes.map((one) => one.store))];
    if (names.length === 0) return undefined;
    const work = this.#db.transaction(names, 'readwrite', { durability: 'strict' });
    const requests = writes.map(({ store, value, key }) => work.objectStore(store).put(value, key));
    await this.#done(work);
    return requests[0]?.result;
  }

  /** Everything whose key begins so, gone. */
  async deleteUnder(store: StoreName, prefix: string): Promise<void> {
    const work = this.#db.transaction(store, 'readwrite');
    work.objectStore(store).delete(IDBKeyRange.bound(prefix, `${prefix}\uffff`));
    await this.#done(work);
  }

  async count(store: StoreName): Promise<number> {
    return settled(this.#db.transaction(store).objectStore(store).count());
  }

  async delete(store: StoreName, key: IDBValidKey): Promise<void> {
    const work = this.#db.transaction(store, 'readwrite');
    work.objectStore(store).delete(key);
    await this.#done(work);
  }

  async clear(store: StoreName): Promise<void> {
    const work = this.#db.transaction(store, 'readwrite');
    work.objectStore(store).clear();
    await this.#done(work);
  }

  close(): void {
    this.#db.close();
  }

  #done(work: IDBTransaction): Promise<void> {
    return new Promise((resolve, reject) => {
      work.oncomplete = () => resolve();
      work.onabort = () => reject(work.error ?? new Error('IndexedDB'));
    });
  }
}
