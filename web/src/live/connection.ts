import ResClient from 'resclient'
import { DirectBus } from './event-bus'
import { backoff, patience, patientSockets, type SocketLike } from './socket'

/** `connecting` until the first success; `lost` until the next one. */
export type Link = 'connecting' | 'online' | 'lost'

/** Longest wait for an answer to a call or a first read. */
const ANSWER_MILLISECONDS_MAX = 10_000
/** A resource is kept this long after the last watcher left; a reader often returns to a section at once. */
const LINGER_MILLISECONDS = 4000

/** A refusal by a service, or `live.lost` / `live.deadline` when the outcome is unknown. */
export class CallError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly data: Record<string, unknown> = {},
  ) {
    super(message)
  }

  /** The service may or may not have done it: the same request, with the same key, must be sent again. */
  get isUnknown(): boolean {
    return this.code.startsWith('live.') || this.code === 'system.timeout'
  }
}

/** What `watch` tells. Properties are the whole model; `changed` names what is different, or null when all of it is new. */
export interface ModelWatcher {
  value(properties: Record<string, unknown>, changed: string[] | null): void
  /** The resource is not there, or not for us: nothing more will come. */
  refused?(error: CallError): void
}

export interface CollectionWatcher {
  items(properties: Record<string, unknown>[]): void
  refused?(error: CallError): void
}

/** The parts of ResClient's resources that are used here. */
interface Resource {
  props?: Record<string, unknown>
  toArray?(): Resource[]
  getResourceId(): string
  on(event: string, handler: (data: Record<string, unknown>) => void): unknown
  off(event: string, handler: (data: Record<string, unknown>) => void): unknown
}

/** Once in so long a page that is refused comes in again: its connection may have been opened while nobody could say whose it is. */
const COME_IN_AGAIN_MILLISECONDS = 30_000
const PERMANENT = new Set(['system.accessDenied', 'system.forbidden', 'system.invalidParams', 'system.invalidQuery'])
/** Resgate says "not found" as well while no replica of a service is up: believed only when it stays so. */
const ABSENT_TRIES_MAX = 4

function isFinal(error: CallError, tries: number): boolean {
  return PERMANENT.has(error.code) || (error.code === 'system.notFound' && tries >= ABSENT_TRIES_MAX)
}

/** The one connection of a page: ResClient, with deadlines, retries and an end for every wait. */
export class Live {
  link: Link = 'connecting'
  private readonly client: ResClient
  private readonly listeners = new Set<(link: Link) => void>()
  private cameInAgain = Number.NEGATIVE_INFINITY
  /** Rejecters of calls in flight: ResClient leaves them open for ever when the connection goes. */
  private readonly inFlight = new Set<(error: CallError) => void>()

  constructor(url: string, sockets: () => SocketLike = patientSockets(() => new WebSocket(url))) {
    this.client = new ResClient(sockets, {
      // The sockets wait by themselves, with jitter.
      reconnectDelay: 0,
      subscribeStaleDelay: 500 + Math.random() * 1000,
      subscribeRetryDelay: 2000 + Math.random() * 2000,
      unsubscribeDelay: LINGER_MILLISECONDS,
      eventBus: new DirectBus(),
    })
    this.client.on('connect', () => this.changeLink('online'))
    this.client.on('disconnect', () => {
      for (const reject of [...this.inFlight])
        reject(new CallError('live.lost', 'The connection was lost before the answer came.'))
      this.changeLink('lost')
    })
    this.client.on('connectError', () => this.changeLink('lost'))
  }

  onLink(listener: (link: Link) => void): () => void {
    this.listeners.add(listener)
    listener(this.link)
    return () => this.listeners.delete(listener)
  }

  /** Calls a method; rejects with `CallError`, always within the deadline. */
  async call<T>(resource: string, method: string, parameters: object): Promise<T> {
    const ask = () => this.bounded(this.client.call(resource, method, parameters) as Promise<T>)
    try {
      return await ask()
    } catch (problem) {
      if ((problem as CallError).code !== 'system.accessDenied' || !this.comeInAgain()) throw problem
      return ask()
    }
  }

  /** As `call`, for methods that answer a resource: its id (the resource is read with `watch`). */
  async create(resource: string, method: string, parameters: object): Promise<string> {
    const answer = await this.call<Resource>(resource, method, parameters)
    return answer.getResourceId()
  }

  /** Follows a model through every loss of the connection. Answers the function that stops it. */
  watch(resource: string, watcher: ModelWatcher): () => void {
    return this.follow(
      resource,
      (found) => {
        const change = (old: Record<string, unknown>) => watcher.value(found.props ?? {}, Object.keys(old))
        found.on('change', change)
        watcher.value(found.props ?? {}, null)
        return () => found.off('change', change)
      },
      watcher.refused,
    )
  }

  /** Follows a collection of models and every model in it. */
  watchCollection(resource: string, watcher: CollectionWatcher): () => void {
    return this.follow(
      resource,
      (found) => {
        const followed = new Set<Resource>()
        // Copies: ResClient changes its own objects, and whoever compares would see no difference.
        const tell = () => watcher.items((found.toArray?.() ?? []).map((item) => ({ ...item.props })))
        const renew = () => {
          const present = new Set(found.toArray?.() ?? [])
          for (const item of present)
            if (!followed.has(item)) {
              followed.add(item)
              item.on('change', tell)
            }
          for (const item of followed)
            if (!present.has(item)) {
              followed.delete(item)
              item.off('change', tell)
            }
          tell()
        }
        found.on('add', renew)
        found.on('remove', renew)
        renew()
        return () => {
          found.off('add', renew)
          found.off('remove', renew)
          for (const item of followed) item.off('change', tell)
        }
      },
      watcher.refused,
    )
  }

  /** Opens the connection anew, with the session that the browser has; whether it was time for that. */
  private comeInAgain(): boolean {
    if (performance.now() - this.cameInAgain < COME_IN_AGAIN_MILLISECONDS) return false
    this.cameInAgain = performance.now()
    this.client.disconnect()
    void this.client.connect()
    return true
  }

  private follow(
    resource: string,
    attach: (found: Resource) => () => void,
    refused?: (error: CallError) => void,
  ): () => void {
    let stopped = false
    let detach: (() => void) | null = null
    let timer: ReturnType<typeof setTimeout> | undefined
    const attempt = async (failures: number): Promise<void> => {
      try {
        const found = (await this.bounded(this.client.get(resource) as Promise<Resource>)) as Resource
        if (stopped) return
        const off = attach(found)
        const deleted = () => {
          // A resource can be told deleted by mistake while its service restarts: look again a little later.
          detach?.()
          detach = null
          timer = setTimeout(() => void attempt(1), LINGER_MILLISECONDS + 2000 + Math.random() * 2000)
        }
        found.on('delete', deleted)
        detach = () => {
          off()
          found.off('delete', deleted)
        }
      } catch (problem) {
        if (stopped) return
        const error = problem as CallError
        if (isFinal(error, failures)) refused?.(error)
        else timer = setTimeout(() => void attempt(failures + 1), 200 + backoff(failures + 1, patience))
      }
    }
    void attempt(0)
    return () => {
      stopped = true
      clearTimeout(timer)
      detach?.()
      detach = null
    }
  }

  private bounded<T>(answer: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer)
        this.inFlight.delete(fail)
      }
      const fail = (error: CallError) => {
        settle()
        reject(error)
      }
      const timer = setTimeout(
        () => fail(new CallError('live.deadline', 'No answer came in time.')),
        ANSWER_MILLISECONDS_MAX,
      )
      this.inFlight.add(fail)
      answer.then(
        (value) => {
          settle()
          resolve(value)
        },
        (problem: { code?: string; message?: string; data?: unknown }) => {
          const code =
            problem.code === 'system.connectionError' || problem.code === 'system.disconnect'
              ? 'live.lost'
              : problem.code
          fail(
            new CallError(
              code ?? 'live.lost',
              problem.message ?? String(problem),
              (problem.data ?? {}) as Record<string, unknown>,
            ),
          )
        },
      )
    })
  }

  private changeLink(link: Link): void {
    if (this.link === link) return
    this.link = link
    for (const listener of this.listeners) listener(link)
  }
}
