//! Response bodies of the endpoints, in the selected API revision.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use elements::types::{Collector, ProductType, TenantType};
use hyper::StatusCode;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::backups;
use super::dataset::{Dataset, SimCustomer, SimTenant};
use super::faults::{Fault, TotalCount};
use super::path::Route;
use super::settings::{AbsentTenants, Dialect};
use super::wire_value::grouped;

/// A status and a message, or a body.
pub(super) type ResponseBody = Result<Vec<u8>, (StatusCode, &'static str)>;

/// A registration's data set with its customers by id.
#[derive(Debug)]
pub(super) struct IndexedDataset {
    pub(super) dataset: Dataset,
    by_id: HashMap<String, usize>,
}

/// Options of all responses of a simulator.
#[derive(Clone, Copy, Debug)]
pub(super) struct ResponseOptions {
    pub(super) dialect: Dialect,
    pub(super) legacy_endpoints: bool,
    pub(super) absent_tenants: AbsentTenants,
}

/// One request to the API with a valid token.
pub(super) struct ApiRequest<'a> {
    pub(super) route: &'a Route,
    pub(super) query: &'a str,
    pub(super) body: &'a [u8],
    /// The number of minutes for which seats have moved.
    pub(super) minutes: u64,
    /// Faults of a listing are looked up here.
    pub(super) faults: &'a [Fault],
}

const NOT_FOUND: (StatusCode, &str) = (StatusCode::NOT_FOUND, "Not found.");

impl IndexedDataset {
    pub(super) fn new(dataset: Dataset) -> Self {
        let mut indexed = Self { dataset, by_id: HashMap::new() };
        indexed.renew();
        indexed
    }

    /// Call it after every change of the data set.
    pub(super) fn renew(&mut self) {
        let ids = self.dataset.customers.iter().enumerate();
        self.by_id = ids.map(|(place, customer)| (customer.id.clone(), place)).collect();
    }

    fn customer(&self, request: &ApiRequest<'_>) -> Result<Cow<'_, SimCustomer>, (StatusCode, &'static str)> {
        let id = &request.route.customer;
        if self.dataset.out_of_scope.contains(id) {
            return Err((StatusCode::FORBIDDEN, "The customer is out of the scope of the app."));
        }
        let customer = self.by_id.get(id).and_then(|&place| self.dataset.customers.get(place));
        Ok(customer.ok_or((StatusCode::NOT_FOUND, "There is no such customer."))?.at(request.minutes))
    }

    /// The response of an endpoint.
    pub(super) fn respond(
        &self,
        collector: Collector,
        request: &ApiRequest<'_>,
        options: ResponseOptions,
    ) -> ResponseBody {
        let kind = |message| request.route.kind.parse::<u64>().map_err(|_| (StatusCode::BAD_REQUEST, message));
        let tenant_type = || {
            let message = "The tenant type must be a number.";
            let number = u32::try_from(kind(message)?).map_err(|_| (StatusCode::BAD_REQUEST, message))?;
            Ok(TenantType::from_number(number))
        };
        let product = || kind("The product type must be a number.").map(ProductType);
        let older = options.dialect == Dialect::Older;
        let number = |number: u32| if older { Value::from(grouped(number)) } else { Value::from(number) };
        let legacy = matches!(collector, Collector::CustomerSeats | Collector::ProductsAvailable);
        if legacy && !options.legacy_endpoints {
            return Err(NOT_FOUND);
        }
        let body = match collector {
            Collector::Services | Collector::Customers => return self.list(collector, request, options.dialect),
            Collector::TenantSeats => {
                return tenants(self.customer(request)?.as_ref(), tenant_type()?, request, options);
            }
            Collector::BackupJobs => return backups::jobs(self.customer(request)?.as_ref(), request, options.dialect),
            Collector::BackupOverview => {
                return backups::overview(self.customer(request)?.as_ref(), request, options.dialect);
            }
            Collector::CustomerSeats => {
                let tenant_type = tenant_type()?;
                let (assigned, available) = self.customer(request)?.seats(tenant_type).ok_or(NOT_FOUND)?;
                json!({
                    "type": tenant_type.number(),
                    "availableUserSeat": number(available),
                    "assignedUserSeat": number(assigned),
                })
            }
            Collector::ProductsPurchased => {
                let product = product()?;
                let seats = number(self.customer(request)?.purchased.get(&product).copied().unwrap_or(0));
                match options.dialect {
                    Dialect::Live => json!({"productType": product.0, "purchasedUserSeat": seats}),
                    Dialect::Documented => {
                        json!({"productType": product.0.to_string(), "purchasedUserSeat": seats})
                    }
                    Dialect::Older => json!({"productType": product.0, "availableUserSeat": seats}),
                }
            }
            Collector::ProductsAvailable => {
                let product = product()?;
                let seats = number(self.customer(request)?.available.get(&product).copied().ok_or(NOT_FOUND)?);
                let field = if older { "purchasedUserSeat" } else { "availableUserSeat" };
                json!({"productType": product.0, field: seats})
            }
        };
        Ok(body.to_string().into_bytes())
    }

    /// A page of `services` or `customers`.
    fn list(&self, collector: Collector, request: &ApiRequest<'_>, dialect: Dialect) -> ResponseBody {
        let wanted = filter(request.body, "customerIds", "customerId")?;
        let is_known = |id: &String| self.dataset.customers.iter().any(|customer| customer.id == *id);
        let refused = wanted.as_ref().is_some_and(|ids| {
            request.faults.contains(&Fault::RefuseIds)
                || request.faults.contains(&Fault::RefuseUnknownIds) && !ids.iter().all(is_known)
        });
        if refused {
            return Err((StatusCode::FORBIDDEN, "The app may not ask for these customers."));
        }
        let mut page = Page::of(request)?;
        for fault in request.faults {
            if let Fault::SmallPages(most) = fault {
                page.size = page.size.min(*most).max(1);
            }
        }
        let newcomer = SimCustomer::new("9e3c5a70-0000-4000-8000-00000000c0de", "Newcomer");
        let is_listed = |customer: &&SimCustomer| {
            let is_wanted = wanted.as_ref().is_none_or(|ids| ids.contains(&customer.id));
            is_wanted && (collector == Collector::Customers || !customer.unlisted)
        };
        let mut listed: Vec<&SimCustomer> = self.dataset.customers.iter().filter(is_listed).collect();
        if page.index > 1 && wanted.is_none() {
            if request.faults.contains(&Fault::CustomerLeaves) && !listed.is_empty() {
                listed.remove(0);
            }
            if request.faults.contains(&Fault::CustomerJoins) {
                listed.insert(0, &newcomer);
            }
        }
        if request.faults.contains(&Fault::Reordered) && !listed.is_empty() {
            let places = listed.len();
            listed.rotate_left((page.index - 1) * (page.size / 2 + 1) % places);
        }
        let halves: Vec<SimCustomer>;
        if request.faults.contains(&Fault::Split) {
            halves = listed.into_iter().flat_map(split).collect();
            listed = halves.iter().collect();
        }
        let range = page.range(listed.len());
        let mut rows = listed.get(range.clone()).unwrap_or_default().to_vec();
        if request.faults.contains(&Fault::Duplicated) {
            let before = range.start.checked_sub(1).and_then(|place| listed.get(place));
            rows = before.into_iter().chain(&rows).chain(rows.first()).copied().collect();
        }
        if request.faults.contains(&Fault::EmptyPage(page.index)) {
            rows.clear();
        }
        let rows = rows.into_iter().map(|customer| Listed(customer.at(request.minutes), dialect, collector));
        let rows: Vec<_> = rows.collect();
        Ok(page.envelope(&rows, listed.len(), request.faults))
    }
}

/// The rows of the first service, and the others.
fn split(customer: &SimCustomer) -> [SimCustomer; 2] {
    let service = customer.rows.first().map(|row| row.service.clone());
    let (first, others) = customer.rows.iter().cloned().partition(|row| Some(&row.service) == service.as_ref());
    [first, others].map(|rows| SimCustomer { rows, ..customer.clone() })
}

/// A page of `tenant_seats`.
fn tenants(
    customer: &SimCustomer,
    tenant_type: TenantType,
    request: &ApiRequest<'_>,
    options: ResponseOptions,
) -> ResponseBody {
    let wanted = filter(request.body, "tenantIds", "")?;
    let page = Page::of(request)?;
    let of_type: Vec<_> = customer.tenants.iter().filter(|tenant| tenant.tenant_type == tenant_type).collect();
    if of_type.is_empty() && options.absent_tenants == AbsentTenants::NotFound {
        return Err(NOT_FOUND);
    }
    let listed: Vec<_> =
        of_type.into_iter().filter(|tenant| wanted.as_ref().is_none_or(|ids| ids.contains(&tenant.id))).collect();
    let older = options.dialect == Dialect::Older;
    let rows: Vec<_> = listed
        .get(page.range(listed.len()))
        .unwrap_or_default()
        .iter()
        .map(|tenant| if older { older_tenant(tenant) } else { live_tenant(tenant) })
        .collect();
    Ok(if older {
        Value::from(rows).to_string().into_bytes()
    } else {
        page.envelope(&rows, listed.len(), request.faults)
    })
}

fn live_tenant(tenant: &SimTenant) -> Value {
    json!({
        "type": tenant.tenant_type.number(),
        "tenantId": tenant.id,
        "tenantName": tenant.name,
        "availableUserSeat": tenant.available,
        "assignedUserSeat": tenant.assigned,
    })
}

fn older_tenant(tenant: &SimTenant) -> Value {
    json!({
        "id": tenant.id,
        "name": tenant.name,
        "availableUserSeat": grouped(tenant.available),
        "assignedUserSeat": grouped(tenant.assigned),
    })
}

/// A customer of a list.
struct Listed<'a>(Cow<'a, SimCustomer>, Dialect, Collector);

impl Serialize for Listed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(customer, dialect, collector) = self;
        if *collector == Collector::Customers {
            return customer.profile_json(*dialect).serialize(serializer);
        }
        let rows: Vec<_> = customer.rows.iter().map(|row| Fields(row.fields(), *dialect)).collect();
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("customerId", &customer.id)?;
        map.serialize_entry("organization", &customer.organization)?;
        map.serialize_entry("customer", &customer.email)?;
        map.serialize_entry("products", &rows)?;
        map.end()
    }
}

/// One of its rows.
struct Fields<'a>([(&'static str, Option<&'a str>); 18], Dialect);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(fields, dialect) = self;
        let mut map = serializer.serialize_map(None)?;
        for (key, text) in fields.iter().filter_map(|&(key, text)| Some((key, text?))) {
            match dialect {
                Dialect::Older => map.serialize_entry(&capitalized(key), text)?,
                _ => map.serialize_entry(key, text)?,
            }
        }
        map.end()
    }
}

fn capitalized(key: &str) -> String {
    let mut letters = key.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

/// The ids in a request body; `None` if it does not filter. `single` is an older name for a single id.
fn filter(body: &[u8], several: &str, single: &str) -> Result<Option<BTreeSet<String>>, (StatusCode, &'static str)> {
    let bad = |message| (StatusCode::BAD_REQUEST, message);
    let Ok(Value::Object(body)) = serde_json::from_slice(body) else {
        return Err(bad("The body must be a JSON object."));
    };
    match (body.get(several), body.get(single)) {
        (None | Some(Value::Null), None | Some(Value::Null)) => Ok(None),
        (None, Some(Value::String(id))) => Ok(Some([id.clone()].into())),
        (Some(Value::Array(ids)), None) => {
            let ids: Option<BTreeSet<_>> = ids.iter().map(|id| id.as_str().map(ToOwned::to_owned)).collect();
            // An empty list does not filter.
            Ok(Some(ids.ok_or_else(|| bad("Ids must be strings."))?).filter(|ids| !ids.is_empty()))
        }
        _ => Err(bad("The filter must be a list of ids.")),
    }
}

/// A number in a request body; `None` if it does not filter.
pub(super) fn filter_number(body: &[u8], name: &str) -> Result<Option<u64>, (StatusCode, &'static str)> {
    let bad = |message| (StatusCode::BAD_REQUEST, message);
    let Ok(Value::Object(body)) = serde_json::from_slice(body) else {
        return Err(bad("The body must be a JSON object."));
    };
    let Some(value) = body.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
    value.as_u64().map(Some).ok_or_else(|| bad("The filter must be a number."))
}

/// `pageIndex` and `pageSize`.
pub(super) struct Page {
    index: usize,
    size: usize,
    /// Which page is returned, whatever was requested.
    shown: usize,
}

impl Page {
    pub(super) fn of(request: &ApiRequest<'_>) -> Result<Self, (StatusCode, &'static str)> {
        let number = |name: &str, default: usize| {
            let given = form_urlencoded::parse(request.query.as_bytes()).find(|(key, _)| key == name);
            given.map_or(Some(default), |(_, value)| value.parse().ok()).filter(|&number| number >= 1)
        };
        let index = number("pageIndex", 1).ok_or((StatusCode::BAD_REQUEST, "pageIndex must be 1 or more."))?;
        let size = number("pageSize", 50)
            .filter(|&size| size <= 100)
            .ok_or((StatusCode::BAD_REQUEST, "pageSize must be from 1 to 100."))?;
        let shown = if request.faults.contains(&Fault::RepeatPage) { 1 } else { index };
        Ok(Self { index, size, shown })
    }

    /// The range of rows on the page.
    pub(super) fn range(&self, rows: usize) -> Range<usize> {
        let from = (self.shown - 1).saturating_mul(self.size).min(rows);
        from..from.saturating_add(self.size).min(rows)
    }

    pub(super) fn envelope<T: Serialize>(&self, data: &[T], total: usize, faults: &[Fault]) -> Vec<u8> {
        #[derive(serde::Serialize)]
        struct Envelope<'a, T> {
            data: &'a [T],
            metadata: Value,
        }
        let mut count = Some(total);
        for fault in faults {
            count = match fault {
                Fault::WrongTotal(TotalCount::Absent) => None,
                Fault::WrongTotal(TotalCount::More(more)) => Some(total.saturating_add(*more)),
                Fault::WrongTotal(TotalCount::Fewer(fewer)) => Some(total.saturating_sub(*fewer)),
                _ => count,
            };
        }
        let metadata = match count {
            Some(count) => json!({"pageIndex": self.index, "pageSize": self.size, "totalCount": count}),
            None => json!({"pageIndex": self.index, "pageSize": self.size}),
        };
        serde_json::to_vec(&Envelope { data, metadata }).unwrap_or_default()
    }
}
