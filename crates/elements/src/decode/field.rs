//! The fields of the API that values are read from.

use std::fmt;

use crate::types::Collector;

macro_rules! fields {
    ($($variant:ident $name:literal $(($collector:ident))?)*) => {
        /// A field of the API, by its own name: the label `field` of the metric for unreadable values.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl Field {
            /// Every field, in the order of declaration.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The API's name of the field.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The optional collector that alone reads the field; `None` for all others.
            #[must_use]
            pub fn collector(self) -> Option<Collector> {
                match self {
                    $(Self::$variant => { let of: &[Collector] = &[$(Collector::$collector)?]; of.first().copied() })*
                }
            }
        }
    };
}

fields! {
    // `tenant_seats`, `customer_seats`, `products_purchased` and `products_available`.
    AssignedUserSeat "assignedUserSeat"
    AvailableUserSeat "availableUserSeat"
    PurchasedUserSeat "purchasedUserSeat"
    TenantId "tenantId"
    TenantName "tenantName"
    // `services`, a customer.
    CustomerId "customerId"
    Organization "organization"
    Products "products"
    // `services`, a row of products.
    Service "service"
    SubscriptionModel "subscriptionModel"
    PurchasedUserSeats "purchasedUserSeats"
    PurchasedUnits "purchasedUnits"
    MicrosoftLicenseAssigned "microsoftLicenseAssigned"
    MicrosoftLicenseAvailable "microsoftLicenseAvailable"
    PurchasedCapacity "purchasedCapacity"
    ProtectedCapacity "protectedCapacity"
    ConsumedStorage "consumedStorage"
    Storage "storage"
    Retention "retention"
    ExpirationDate "expirationDate"
    ContractEndDate "contractEndDate"
    Change "change"
    Source "source"
    PaymentType "paymentType"
    SubscriptionName "subscriptionName"
    Package "package"
    // `customers`.
    Id "id" (Customers)
    JobStatus "jobStatus" (Customers)
    CountryOrRegion "countryOrRegion" (Customers)
    ManagementMode "managementMode" (Customers)
    Tenants "tenants" (Customers)
    // `backup_jobs`.
    JobType "jobType" (BackupJobs)
    JobModule "jobModule" (BackupJobs)
    Status "status" (BackupJobs)
    Name "name" (BackupJobs)
    SuccessfulCount "successfulCount" (BackupJobs)
    FailedCount "failedCount" (BackupJobs)
    SkippedCount "skippedCount" (BackupJobs)
    WarningCount "warningCount" (BackupJobs)
    BackupSize "backupSize" (BackupJobs)
    StartTime "startTime" (BackupJobs)
    EndTime "endTime" (BackupJobs)
    JobDuration "jobDuration" (BackupJobs)
    // `backup_overview`.
    ServiceType "serviceType" (BackupOverview)
    ServiceModule "serviceModule" (BackupOverview)
    TotalScannedObjects "totalScannedObjects" (BackupOverview)
    TotalProtectedObjects "totalProtectedObjects" (BackupOverview)
    DataSizeStoredInAvePoint "dataSizeStoredInAvePoint" (BackupOverview)
    DataSizeStoredInByos "dataSizeStoredInBYOS" (BackupOverview)
    // Page metadata.
    TotalCount "totalCount"
    PageSize "pageSize"
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
