/** Remembers which hold is the reader's for an event: over reloads, and the same in all tabs. */
export class HoldMemory {
  private readonly name: string
  private readonly storage: Storage | null

  constructor(event: string, storage: Storage | null = localStore()) {
    this.name = `livehouse.hold.${event}`
    this.storage = storage
  }

  get(): string | null {
    return this.storage?.getItem(this.name) ?? null
  }

  set(hold: string | null): void {
    try {
      if (hold) this.storage?.setItem(this.name, hold)
      else this.storage?.removeItem(this.name)
    } catch {
      // A full or forbidden storage costs the memory, not the sale.
    }
  }

  /** Calls `listener` when another tab changed it. Answers the function that stops it. */
  onChange(listener: (hold: string | null) => void): () => void {
    const heard = (event: StorageEvent) => {
      if (event.key === this.name) listener(event.newValue)
    }
    addEventListener('storage', heard)
    return () => removeEventListener('storage', heard)
  }
}

function localStore(): Storage | null {
  try {
    return window.localStorage
  } catch {
    return null
  }
}
