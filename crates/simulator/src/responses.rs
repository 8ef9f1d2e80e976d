//! Response bodies of the endpoints, in the selected API revision.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use elements::types::{Collector, ProductType, TenantType};
use hyper::StatusCode;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::backups;
use super::dataset::{Dataset, SimCustomer, SimRow, SimTenant};
use super::faults::{Fault, TotalCount};
use super::path::Route;
use super::settings::{Dialect, Settings};

/// A status and a message.
pub(super) type Refusal = (StatusCode, &'static str);

/// A data set with its customers by id: a benchmark has tens of thousands of them.
pub(super) struct IndexedDataset {
    pub(super) dataset: Dataset,
    places: HashMap<String, usize>,
}

impl IndexedDataset {
    pub(super) fn new(dataset: Dataset) -> Self {
        let customers = dataset.customers.iter().enumerate();
        Self { places: customers.map(|(place, customer)| (customer.id.clone(), place)).collect(), dataset }
    }

    fn customer(&self, id: &str) -> Option<&SimCustomer> {
        self.dataset.customers.get(*self.places.get(id)?)
    }
}

/// One request to the API with a valid token.
pub(super) struct ApiRequest<'a> {
    pub(super) route: &'a Route,
    pub(super) query: &'a str,
    pub(super) body: &'a [u8],
    /// The number of minutes for which seats have moved.
    pub(super) minutes: u64,
    pub(super) settings: &'a Settings,
    /// Faults of a listing are looked up here.
    pub(super) faults: &'a [Fault],
}

const NOT_FOUND: Refusal = (StatusCode::NOT_FOUND, "Not found.");

const fn bad(message: &'static str) -> Refusal {
    (StatusCode::BAD_REQUEST, message)
}

/// The response of an endpoint.
pub(super) fn respond(
    indexed: &IndexedDataset,
    collector: Collector,
    request: &ApiRequest<'_>,
) -> Result<Vec<u8>, Refusal> {
    let dialect = request.settings.dialect;
    let kind = |message| request.route.kind.parse::<u64>().map_err(|_| bad(message));
    let tenant_type = || {
        let message = "The tenant type must be a number.";
        let number = u32::try_from(kind(message)?).map_err(|_| bad(message))?;
        Ok(TenantType::from_number(number))
    };
    let product = || kind("The product type must be a number.").map(ProductType);
    let customer = || customer(indexed, request);
    let is_legacy = matches!(collector, Collector::CustomerSeats | Collector::ProductsAvailable);
    if is_legacy && !request.settings.legacy_endpoints {
        return Err(NOT_FOUND);
    }
    let body = match collector {
        Collector::Services | Collector::Customers => return list(indexed, collector, request),
        Collector::TenantSeats => return tenants(&*customer()?, tenant_type()?, request),
        Collector::BackupJobs => return backups::jobs(&*customer()?, request),
        Collector::BackupOverview => return backups::overview(&*customer()?, request),
        Collector::CustomerSeats => {
            let tenant_type = tenant_type()?;
            let (assigned, available) = customer()?.seats(tenant_type).ok_or(NOT_FOUND)?;
            json!({
                "type": tenant_type.number(),
                "availableUserSeat": dialect.number(available),
                "assignedUserSeat": dialect.number(assigned),
            })
        }
        Collector::ProductsPurchased => {
            let product = product()?;
            let seats = dialect.number(customer()?.purchased.get(&product).copied().unwrap_or(0));
            match dialect {
                Dialect::Live => json!({"productType": product.0, "purchasedUserSeat": seats}),
                Dialect::Documented => json!({"productType": product.0.to_string(), "purchasedUserSeat": seats}),
                Dialect::Older => json!({"productType": product.0, "availableUserSeat": seats}),
            }
        }
        Collector::ProductsAvailable => {
            let product = product()?;
            let seats = dialect.number(customer()?.available.get(&product).copied().ok_or(NOT_FOUND)?);
            let field = if dialect == Dialect::Older { "purchasedUserSeat" } else { "availableUserSeat" };
            json!({"productType": product.0, field: seats})
        }
    };
    Ok(body.to_string().into_bytes())
}

fn customer<'a>(indexed: &'a IndexedDataset, request: &ApiRequest<'_>) -> Result<Cow<'a, SimCustomer>, Refusal> {
    let id = &request.route.customer;
    if indexed.dataset.out_of_scope.contains(id) {
        return Err((StatusCode::FORBIDDEN, "The customer is out of the scope of the app."));
    }
    let customer = indexed.customer(id).ok_or((StatusCode::NOT_FOUND, "There is no such customer."))?;
    Ok(customer.at(request.minutes))
}

/// A page of `services` or `customers`.
fn list(indexed: &IndexedDataset, collector: Collector, request: &ApiRequest<'_>) -> Result<Vec<u8>, Refusal> {
    let has = |fault: &Fault| request.faults.contains(fault);
    let wanted = filter(request.body, "customerIds", "customerId")?;
    let refused = wanted.as_ref().is_some_and(|ids| {
        has(&Fault::RefuseIds) || has(&Fault::RefuseUnknownIds) && !ids.iter().all(|id| indexed.customer(id).is_some())
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
    let mut listed: Vec<&SimCustomer> = indexed.dataset.customers.iter().filter(is_listed).collect();
    if page.index > 1 && wanted.is_none() {
        if has(&Fault::CustomerLeaves) && !listed.is_empty() {
            listed.remove(0);
        }
        if has(&Fault::CustomerJoins) {
            listed.insert(0, &newcomer);
        }
    }
    if has(&Fault::Reordered) && !listed.is_empty() {
        let places = listed.len();
        listed.rotate_left((page.index - 1) * (page.size / 2 + 1) % places);
    }
    let halves: Vec<SimCustomer>;
    if has(&Fault::Split) {
        halves = listed.into_iter().flat_map(split).collect();
        listed = halves.iter().collect();
    }
    let range = page.range(listed.len());
    let mut rows = listed.get(range.clone()).unwrap_or_default().to_vec();
    if has(&Fault::Duplicated) {
        let before = range.start.checked_sub(1).and_then(|place| listed.get(place));
        rows = before.into_iter().chain(&rows).chain(rows.first()).copied().collect();
    }
    if has(&Fault::EmptyPage(page.index)) {
        rows.clear();
    }
    let rows: Vec<_> = rows.into_iter().map(|customer| customer.at(request.minutes)).collect();
    let (dialect, total) = (request.settings.dialect, listed.len());
    Ok(if collector == Collector::Customers {
        let rows: Vec<_> = rows.iter().map(|customer| customer.profile_json(dialect)).collect();
        page.envelope(&rows, total, request.faults)
    } else {
        let rows: Vec<_> = rows.iter().map(|customer| Listed::of(customer, dialect)).collect();
        page.envelope(&rows, total, request.faults)
    })
}

/// The rows of the first service, and the others.
fn split(customer: &SimCustomer) -> [SimCustomer; 2] {
    let service = customer.rows.first().map(|row| &row.service);
    let (first, others) = customer.rows.iter().cloned().partition(|row| Some(&row.service) == service);
    [first, others].map(|rows| SimCustomer { rows, ..customer.clone() })
}

/// A page of `tenant_seats`.
fn tenants(customer: &SimCustomer, tenant_type: TenantType, request: &ApiRequest<'_>) -> Result<Vec<u8>, Refusal> {
    let wanted = filter(request.body, "tenantIds", "")?;
    let page = Page::of(request)?;
    let of_type: Vec<_> = customer.tenants.iter().filter(|tenant| tenant.tenant_type == tenant_type).collect();
    if of_type.is_empty() && request.settings.absent_tenants_are_404 {
        return Err(NOT_FOUND);
    }
    let is_wanted = |tenant: &&SimTenant| wanted.as_ref().is_none_or(|ids| ids.contains(&tenant.id));
    let dialect = request.settings.dialect;
    let rows: Vec<_> = of_type.into_iter().filter(is_wanted).map(|tenant| tenant_json(tenant, dialect)).collect();
    // Older revisions have pages of rows, but nothing around them.
    let shown = rows.get(page.range(rows.len())).unwrap_or_default();
    Ok(match dialect {
        Dialect::Older => serde_json::to_vec(shown).unwrap_or_default(),
        _ => page.envelope(shown, rows.len(), request.faults),
    })
}

fn tenant_json(SimTenant { tenant_type, id, name, assigned, available, .. }: &SimTenant, dialect: Dialect) -> Value {
    let (assigned, available) = (dialect.number(*assigned), dialect.number(*available));
    match dialect {
        Dialect::Older => json!({"id": id, "name": name, "availableUserSeat": available, "assignedUserSeat": assigned}),
        _ => json!({
            "type": tenant_type.number(),
            "tenantId": id,
            "tenantName": name,
            "availableUserSeat": available,
            "assignedUserSeat": assigned,
        }),
    }
}

/// A customer of the service list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    customer_id: &'a str,
    organization: &'a str,
    customer: &'a str,
    products: Vec<Row<'a>>,
}

impl<'a> Listed<'a> {
    fn of(customer: &'a SimCustomer, dialect: Dialect) -> Self {
        Self {
            customer_id: &customer.id,
            organization: &customer.organization,
            customer: &customer.email,
            products: customer.rows.iter().map(|row| Row(row, dialect)).collect(),
        }
    }
}

struct Row<'a>(&'a SimRow, Dialect);

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let key = |key| if self.1 == Dialect::Older { capitalized(key).into() } else { Cow::Borrowed(key) };
        let fields = self.0.fields();
        serializer.collect_map(fields.iter().filter_map(|&(name, text)| Some((key(name), text?))))
    }
}

fn capitalized(key: &str) -> String {
    let mut letters = key.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

fn json_object(body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    serde_json::from_slice(body).map_err(|_| bad("The body must be a JSON object."))
}

/// The ids in a request body; `None` if it does not filter. `single` is an older name for a single id.
fn filter(body: &[u8], several: &str, single: &str) -> Result<Option<BTreeSet<String>>, Refusal> {
    let body = json_object(body)?;
    match (body.get(several), body.get(single)) {
        (None | Some(Value::Null), None | Some(Value::Null)) => Ok(None),
        (None, Some(Value::String(id))) => Ok(Some([id.clone()].into())),
        (Some(Value::Array(ids)), None) => {
            let ids: Option<BTreeSet<_>> = ids.iter().map(|id| id.as_str().map(ToOwned::to_owned)).collect();
            // An empty list does not filter.
            Ok(Some(ids.ok_or(bad("Ids must be strings."))?).filter(|ids| !ids.is_empty()))
        }
        _ => Err(bad("The filter must be a list of ids.")),
    }
}

/// A number in a request body; `None` if it does not filter.
pub(super) fn filter_number(body: &[u8], name: &str) -> Result<Option<u64>, Refusal> {
    match json_object(body)?.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_u64().map(Some).ok_or(bad("The filter must be a number.")),
    }
}

/// `pageIndex` and `pageSize`.
pub(super) struct Page {
    index: usize,
    size: usize,
    /// Which page is returned, whatever was requested.
    shown: usize,
}

impl Page {
    pub(super) fn of(request: &ApiRequest<'_>) -> Result<Self, Refusal> {
        let number = |name: &str, default: usize| {
            let given = form_urlencoded::parse(request.query.as_bytes()).find(|(key, _)| key == name);
            given.map_or(Some(default), |(_, value)| value.parse().ok()).filter(|&number| number >= 1)
        };
        let index = number("pageIndex", 1).ok_or(bad("pageIndex must be 1 or more."))?;
        let size = number("pageSize", 50).filter(|&size| size <= 100);
        let size = size.ok_or(bad("pageSize must be from 1 to 100."))?;
        let shown = if request.faults.contains(&Fault::RepeatPage) { 1 } else { index };
        Ok(Self { index, size, shown })
    }

    /// The range of rows on the page.
    pub(super) fn range(&self, rows: usize) -> Range<usize> {
        let from = (self.shown - 1).saturating_mul(self.size).min(rows);
        from..from.saturating_add(self.size).min(rows)
    }

    pub(super) fn envelope<T: Serialize>(&self, data: &[T], total: usize, faults: &[Fault]) -> Vec<u8> {
        #[derive(Serialize)]
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
