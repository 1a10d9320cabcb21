/** How long anything that must happen may take, in milliseconds. */
export const PATIENCE = 15_000

/** Waits for a promise, and says what was waited for if it does not come. */
export const inTime = (what, promise, state = () => '') => {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${PATIENCE} ms; ${state()}`)), PATIENCE)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

/** Waits until something holds, and tells the last state if it never does. */
export const until = async (what, state, holds) => {
  const end = Date.now() + PATIENCE
  for (;;) {
    const now = await state()
    if (holds(now)) return now
    if (Date.now() > end) throw new Error(`${what}: it is still ${JSON.stringify(now)}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

export const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))
