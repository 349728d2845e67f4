/** IndexedDB as promises: one database for each person who uses this device. Source: W3C Indexed Database API 3. */

const STORES = ['keys', 'records', 'outbox'] as const;
export type StoreName = (typeof STORES)[number];
const PREFIX = 'egide-terminal-';

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

  static async open(person: string): Promise<Database> {
    const request = indexedDB.open(PREFIX + person, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore('keys');
      request.result.createObjectStore('records');
      request.result.createObjectStore('outbox', { autoIncrement: true });
    };
    return new Database(await settled(request));
  }

  /** Everything that a person's terminal kept on this device, gone. */
  static async wipe(person: string): Promise<void> {
    await settled(indexedDB.deleteDatabase(PREFIX + person));
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
