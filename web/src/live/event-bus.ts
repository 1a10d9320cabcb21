type Handler = (data: unknown, target: unknown, event: string) => void

/**
 * The event bus that ResClient is given.
 *
 * Its own one passes every event on through `setTimeout`: a tick late on every change of a seat, and once a second
 * when the page is in the background. This one calls at once.
 */
export class DirectBus {
  private readonly handlers = new Map<string, { target: unknown; handler: Handler }[]>()

  on(target: unknown, events: string, handler: Handler, namespace = ''): this {
    for (const name of namesOf(events, namespace))
      this.handlers.set(name, [...(this.handlers.get(name) ?? []), { target, handler }])
    return this
  }

  off(target: unknown, events: string, handler: Handler, namespace = ''): this {
    for (const name of namesOf(events, namespace)) {
      const rest = (this.handlers.get(name) ?? []).filter(
        (entry) => entry.target !== target || entry.handler !== handler,
      )
      if (rest.length > 0) this.handlers.set(name, rest)
      else this.handlers.delete(name)
    }
    return this
  }

  emit(target: unknown, event: string, data: unknown, namespace = ''): this {
    const name = namespace ? `${namespace}.${event}` : event
    for (const entry of this.handlers.get(name) ?? []) {
      if (entry.target !== target) continue
      try {
        entry.handler(data, target, name)
      } catch (error) {
        // One listener's mistake must not stop the protocol.
        console.error(error)
      }
    }
    return this
  }
}

function namesOf(events: string, namespace: string): string[] {
  return events.split(/\s+/).map((event) => (namespace ? `${namespace}.${event}` : event))
}
