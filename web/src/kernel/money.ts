/** Minor units and an ISO 4217 code: `{"amount": 1999, "currency": "EUR"}` is 19.99 euros. */
export interface Money {
  amount: number
  currency: string
}

const formats = new Map<string, Intl.NumberFormat>()

function format(currency: string, locale: string, display: 'symbol' | 'name'): Intl.NumberFormat {
  const key = `${locale} ${currency} ${display}`
  let found = formats.get(key)
  if (!found) {
    found = new Intl.NumberFormat(locale, {
      style: 'currency',
      currency,
      currencyDisplay: display,
      // "€35", not "€35.00": on a map every character counts.
      trailingZeroDisplay: 'stripIfInteger',
    } as Intl.NumberFormatOptions)
    formats.set(key, found)
  }
  return found
}

function majorUnits({ amount, currency }: Money, locale: string): number {
  const digits = format(currency, locale, 'symbol').resolvedOptions().maximumFractionDigits ?? 2
  return amount / 10 ** digits
}

/** "€35", "€35.50", "Free". */
export function moneyText(money: Money, locale = 'en', free = 'Free'): string {
  if (money.amount === 0) return free
  return format(money.currency, locale, 'symbol').format(majorUnits(money, locale))
}

/** As `moneyText`, but zero stays a number: for totals. */
export function totalText(money: Money, locale = 'en'): string {
  return format(money.currency, locale, 'symbol').format(majorUnits(money, locale))
}

/** "35 euros", for names that are read aloud. */
export function moneySpoken(money: Money, locale = 'en', free = 'free of charge'): string {
  if (money.amount === 0) return free
  return format(money.currency, locale, 'name').format(majorUnits(money, locale))
}
