import { mount } from 'svelte'
import type { OrderPageData } from '../kernel/page-data'
import { start } from '../kernel/start'
import OrderPage from '../ui/OrderPage.svelte'

const { page, live, clock, announcer } = start<OrderPageData>()
const target = document.getElementById('order')
if (target && page.order) {
  mount(OrderPage, {
    target,
    props: { id: page.order, live, clock, announcer, events: page.events ?? {}, printed: [...target.childNodes] },
  })
}
