import { mount } from 'svelte'
import type { OrderPageData } from '../kernel/page-data'
import { start } from '../kernel/start'
import OrderList from '../ui/OrderList.svelte'

const { page, live } = start<OrderPageData>()
const target = document.getElementById('orders')
if (target) {
  // What the site printed stays until there is something newer.
  mount(OrderList, { target, props: { live, events: page.events ?? {}, printed: [...target.childNodes] } })
}
