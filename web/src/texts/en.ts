/** Every text that the scripts show, in one place. Another language is another file of the same shape. */

const number = (value: number) => value.toLocaleString('en')
const plural = (count: number, one: string, many: string) => `${number(count)} ${count === 1 ? one : many}`

/** "14", "14 and 15", "14, 15 and 16". */
export function list(items: string[]): string {
  if (items.length < 2) return items.join('')
  return `${items.slice(0, -1).join(', ')} and ${items.at(-1)!}`
}

export const texts = {
  locale: 'en',

  free: 'Free',
  freeSpoken: 'free of charge',
  from: 'from',
  seats: (count: number) => plural(count, 'seat', 'seats'),
  tickets: (count: number) => plural(count, 'ticket', 'tickets'),
  readersTime: (time: string) => `${time} where you are`,

  status: {
    announced: 'Not on sale yet',
    announcedAt: (moment: string) => `On sale from ${moment}`,
    onSale: 'On sale',
    freeOf: (free: number, total: number) => `${number(free)} of ${number(total)} free`,
    onlyLeft: (free: number) => `Only ${number(free)} left`,
    noneFree: 'Nothing free right now',
    paused: 'Sale paused',
    soldOut: 'Sold out',
    cancelled: 'Cancelled',
    past: 'Past',
  },

  connection: {
    lost: 'We lost the connection. What you see may be old; trying again…',
    back: 'Connected again. What you see is live.',
  },

  phases: {
    announcedTitle: 'The sale opens soon',
    announcedText: (moment: string) =>
      `Seats can be chosen from ${moment}. This page opens by itself; there is no need to reload.`,
    announcedUnknown: 'The date of the sale is not set yet.',
    opensIn: 'Opens in',
    opening: 'Opening…',
    opened: 'The sale is open. Choose your seats.',
    pausedTitle: 'The sale is paused for a moment',
    pausedText: 'What you hold stays yours until its time runs out. The map goes on by itself when the sale does.',
    soldOutTitle: 'Every place is taken',
    soldOutText: 'When somebody gives a place back, it appears here at once.',
    cancelledTitle: 'This event is cancelled',
    cancelledText: 'Nothing can be bought any more. If you have an order, you find it under My orders.',
    pastTitle: 'This event is over',
    pastText: 'Thank you to everybody who was there.',
    seeOthers: 'See other events',
    refusedTitle: 'We could not open this event',
    planTitle: 'The seat map did not load',
    planText: 'Your connection may be slow. Nothing is lost.',
    tryAgain: 'Try again',
  },

  map: {
    label: 'Seat map',
    help: 'Arrow keys move the map, plus and minus zoom, 0 shows the whole venue. The list beside it has every seat by name.',
    map: 'Map',
    list: 'List',
    chooseView: 'Show seats as',
    zoomIn: 'Zoom in',
    zoomOut: 'Zoom out',
    reset: 'Show the whole venue',
    wheel: (key: string) => `Hold ${key} and scroll to zoom`,
    free: (count: number) => `${number(count)} free`,
    soldOut: 'Sold out',
    invitation: 'Choose a section to see its seats',
    loading: 'Drawing the venue…',
  },

  legend: {
    label: 'Prices: choose which are shown',
    all: 'All prices',
    free: (count: number, isEstimate: boolean) =>
      isEstimate ? `about ${number(count)} free` : `${number(count)} free`,
    keys: 'Signs',
    key: {
      free: 'Free',
      mine: 'Yours',
      held: 'Held by somebody',
      sold: 'Sold',
      blocked: 'Not for sale',
      accessible: 'Wheelchair place',
    },
  },

  seat: {
    title: (row: string, seat: string) => `Row ${row}, seat ${seat}`,
    titles: (row: string, seats: string) => `Row ${row}, seats ${seats}`,
    /** "Row A, seat 14, Stalls, 45 euros, available" */
    name: (row: string, seat: string, section: string, price: string, state: string) =>
      `Row ${row}, seat ${seat}, ${section}, ${price}, ${state}`,
    state: {
      free: 'available',
      mine: 'in your basket',
      pending: 'being held for you',
      held: 'held by somebody else',
      sold: 'sold',
      blocked: 'not for sale',
      unknown: 'state not known yet',
    },
    attributes: {
      accessible: 'wheelchair place',
      companion: 'companion seat',
      restricted: 'restricted view',
      aisle: 'at the aisle',
    },
    row: (label: string) => `Row ${label}`,
  },

  list: {
    heading: 'Seats as a list',
    intro:
      'Choose a section, then a row and a seat. Only what you can choose is listed. Arrow keys move between seats, Enter takes one, Enter again gives it back.',
    rowFree: (label: string, count: number) => `Row ${label}, ${plural(count, 'seat', 'seats')} to choose`,
    jump: 'Jump to row',
    nothing: 'Nothing can be chosen here right now.',
    filtered: 'No seat here has a price that you chose to see.',
    loading: 'Loading the seats…',
    changed: (section: string, taken: number, freed: number) =>
      [
        taken > 0 ? `${plural(taken, 'seat', 'seats')} in ${section} taken` : '',
        freed > 0 ? `${plural(freed, 'seat', 'seats')} in ${section} free again` : '',
      ]
        .filter(Boolean)
        .join(', ') + '.',
  },

  area: {
    quantity: (name: string) => `Number of places, ${name}`,
    fewer: (name: string) => `One place less, ${name}`,
    more: (name: string) => `One place more, ${name}`,
    left: (count: number) => `${number(count)} left`,
    done: 'Done',
  },

  basket: {
    title: 'Your seats',
    empty: 'Nothing chosen yet',
    emptyText: 'Tap a seat and it is yours to decide about, at once. Nobody else can take it meanwhile.',
    emptyClosed: 'Seats can be chosen while the sale is open.',
    remaining: (minutes: number) =>
      minutes < 1 ? 'Less than a minute left' : `${plural(minutes, 'minute', 'minutes')} left`,
    remainingSeconds: (seconds: number) => `${plural(seconds, 'second', 'seconds')} left`,
    extend: 'More time',
    extended: (minutes: number) => `You have ${plural(minutes, 'minute', 'minutes')} again.`,
    hardDeadline: 'This is as long as seats can be held.',
    warning: (text: string) => `${text} to order your seats. You can ask for more time.`,
    warningFinal: (text: string) => `${text} to order your seats.`,
    remove: (label: string) => `Give back ${label}`,
    total: 'Total',
    fees: 'Fees and taxes included. Nothing is added later.',
    email: 'E-mail for your tickets',
    optional: 'optional',
    order: (total: string) => `Order for ${total}`,
    orderFree: 'Order for free',
    ordering: 'Ordering…',
    next: 'Next: your order is made and your seats stay yours while you pay.',
    nextFree: 'Next: your tickets, at once.',
    pending: 'Holding…',
    show: 'Show what you hold',
    hide: 'Hide what you hold',
    clear: 'Give all back',
    ordered: 'You have ordered these seats.',
  },

  finder: {
    label: 'Best seats together',
    together: 'together',
    party: 'How many people',
    find: 'Find best',
    searching: 'Looking…',
    none: (count: number) => `We found no ${number(count)} free seats beside each other. Try fewer, or other prices.`,
    found: (where: string, reasons: string[]) => `${where}: ${list(reasons)}.`,
    reasonTogether: 'together',
    reasonAlone: 'free now',
    reasonRow: (row: number) =>
      row === 0 ? 'front row' : row < 5 ? `${['', '2nd', '3rd', '4th', '5th'][row]!} row` : '',
    reasonCentral: 'in the middle',
  },

  notices: {
    held: (where: string) => `${where} is yours for now.`,
    heldMany: (count: number) => `${plural(count, 'place', 'places')} are yours for now.`,
    released: (where: string) => `${where} given back.`,
    releasedMany: 'Given back.',
    taken: (seat: string) => `Seat ${seat} was taken a moment ago.`,
    takenMany: (seats: string[]) => `Seats ${list(seats)} were taken a moment ago.`,
    takenArea: (area: string) => `${area} has fewer places left than you asked for.`,
    near: (seats: string[], isBesideOwn: boolean) => {
      const which = seats.length === 1 ? `Seat ${seats[0]!}` : `Seats ${list(seats)}`
      const verb = seats.length === 1 ? 'is' : 'are'
      return isBesideOwn ? `${which} next to yours ${verb} free.` : `${which} near it ${verb} free.`
    },
    nearRow: (row: string, seats: string[], isBesideOwn: boolean) =>
      `In row ${row}, ${seats.length === 1 ? 'seat' : 'seats'} ${list(seats)}${isBesideOwn ? ' next to yours' : ''} ${seats.length === 1 ? 'is' : 'are'} free.`,
    take: (count: number) => (count === 1 ? 'Take it' : 'Take them'),
    notFree: (seat: string) => `Seat ${seat} is held by somebody. If it comes back, you see it here at once.`,
    sold: (seat: string) => `Seat ${seat} is sold.`,
    blocked: (seat: string) => `Seat ${seat} is not for sale.`,
    tooMany: (max: number) =>
      `You can hold ${plural(max, 'place', 'places')} at a time. Give one back to take another.`,
    limit: (max: number | null) =>
      max === null
        ? 'You have as many places for this event as one person can have.'
        : `One person can have ${plural(max, 'place', 'places')} for this event.`,
    notOnSale: 'The sale is not open at this moment.',
    busy: 'Many people are choosing right now, and this one did not get through. Please try again.',
    unknownSeat: 'This place is not part of the event any more. Reload the page to see the new plan.',
    expired: 'The time for your seats ran out, and they are free again. If they still are, take them once more.',
    takeAgain: 'Take them again',
    failed: 'That did not work, and nothing was changed. Please try again.',
    orderGone: 'The time for these seats ran out before the order was made. Nothing was charged.',
    dismiss: 'Dismiss',
  },

  order: {
    title: 'Your order',
    number: (value: string) => `Order ${value}`,
    made: (moment: string) => `made ${moment}`,
    state: {
      awaitingPayment: 'Waiting for payment',
      paid: 'Paid',
      expired: 'Expired',
      cancelled: 'Cancelled',
      refunded: 'Refunded',
    },
    awaitingTitle: 'Your seats are reserved',
    awaitingText: (time: string) =>
      `Nobody else can take them until ${time}. When your payment arrives, this page shows it by itself.`,
    paidTitle: 'See you there',
    paidText: 'Your order is paid. Keep its number; this page always shows how things stand.',
    freeText: 'There is nothing to pay. Keep the order number; this page always shows how things stand.',
    expiredTitle: 'The time to pay ran out',
    expiredText: 'The seats are free for others again. Nothing was charged.',
    cancelledTitle: 'This order is cancelled',
    cancelledText: 'The seats are free for others again. Nothing was charged.',
    refundedTitle: 'This order is refunded',
    refundedText: 'The money is on its way back to you.',
    timeLeft: 'Time to pay',
    cancel: 'Cancel this order',
    cancelSure: 'Cancel the order and give the seats back?',
    cancelYes: 'Yes, cancel it',
    cancelNo: 'Keep it',
    cancelling: 'Cancelling…',
    notCancellable: 'This order can not be cancelled any more.',
    again: 'Choose seats again',
    toEvent: 'To the event',
    refusedTitle: 'This order is not yours to see',
    refusedText: 'It belongs to somebody else, or was made in another browser.',
    lines: 'What you ordered',
    total: 'Total',
    stateChanged: (state: string) => `Your order: ${state}.`,
  },

  orders: {
    empty: 'No orders yet',
    emptyText: 'What you order appears here, and stays up to date by itself.',
    seeEvents: 'See the events',
    refused: 'Your orders could not be read. Reload the page to try again.',
    order: 'Order',
  },
}

export type Texts = typeof texts
