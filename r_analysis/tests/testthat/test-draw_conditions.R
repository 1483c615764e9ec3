patients <- c("A", "B", "C")
group <- c("positive", "positive", "negative")
scored <- function(dice, detected, predicted, condition = "as_acquired", amount = NA_real_, who = 1:3) {
  make_draw(
    "fresh", patients, group, dice, c(2, 1, 0), detected, predicted, detected, condition, amount, "three-phase"
  )[who, ]
}
zero <- list(c(0.8, 0.6, NA), c(2, 1, 0), c(2, 1, 0))
as_zero <- function(...) scored(zero[[1]], zero[[2]], zero[[3]], ...)
# A patient of the draw who is scored under no condition.
other <- make_draw("fresh", "X", "positive", 0.1, 5, 0, 9, 0, segmentation = "three-phase")
draws <- rbind(
  as_zero(), other, as_zero("arterial_moved", 0),
  scored(c(0.5, 0.2, NA), c(1, 1, 0), c(3, 1, 1), "arterial_moved", 6),
  scored(c(0.4, 0, NA), c(1, 0, 0), c(1, 0, 2), "delayed_missing"),
  scored(c(0.7, 0.6, NA), c(2, 1, 0), c(2, 1, 1), "arterial_later", -5),
  scored(c(0.9, 0.5, NA), c(2, 0, 0), c(2, 0, 0), "arterial_later", 5)
)
rows <- collect_made(draws)
table <- compute_draw_conditions(rows)
at <- function(condition, amount = NA) table[table$condition == condition & table$amount %in% amount, ]

test_that("a condition stands beside the same patients as acquired", {
  expect_identical(table$condition, rep(c("arterial_moved", "delayed_missing", "arterial_later"), c(2, 1, 3)))
  expect_identical(table$amount, c(0, 6, NA, -5, 0, 5))
  expect_true(all(table$patients == 3 & table$with_lesion == 2))
  expect_equal(table$average, c(0.7, 0.35, 0.2, 0.65, 0.7, 0.7))
  # 0.5 - 0.8 and 0.2 - 0.6; 0.4 - 0.8 and 0 - 0.6; 0.7 - 0.8 and 0; 0.9 - 0.8 and 0.5 - 0.6.
  expect_equal(table$average_difference, c(0, -0.35, -0.5, -0.05, 0, 0))
  expect_equal(table$recall_difference, c(0, 2 / 3 - 1, 1 / 3 - 1, 0, 0, 2 / 3 - 1))
  # Two further components of A and of C; of C alone; one of C; none.
  expect_equal(table$false_per_patient_difference, c(0, 3, 2, 1, 0, 0) / 3)
})

test_that("an amount of zero is the patients as acquired where the condition has no row of it", {
  later <- at("arterial_later", 0)
  same <- setdiff(names(table), "condition")
  expect_equal(as.list(later[same]), as.list(at("arterial_moved", 0)[same]))
  # Where nothing differs in any resample there is no interval.
  expect_identical(later$average_difference_low, NA_real_)
})

test_that("intervals of differences are of the same patients in every resample", {
  weights <- draw_patient_weights(data.frame(patient_id = patients, group = group))
  limits_of <- function(measure) {
    unlist(at("arterial_moved", 6)[paste0(measure, c("_low", "_high"))], use.names = FALSE)
  }
  resampled <- colSums(weights[c("A", "B"), ] * c(-0.3, -0.4)) / 2
  limits <- unname(quantile(resampled, c(0.025, 0.975)))
  expect_equal(limits_of("average_difference"), limits)
  # Unpaired, the spread between the two patients would be in it as well.
  expect_lt(diff(limits), 0.11)
  recall <- compute_clustered_proportion(c(1, 0, 1), c("A", "A", "B"))
  expect_equal(limits_of("recall"), c(recall$low, recall$high))
})

test_that("the order of patients and of rows changes nothing", {
  turned <- compute_draw_conditions(collect_made(draws[rev(seq_len(nrow(draws))), ]))
  expect_equal(turned, table, ignore_attr = TRUE)
})

test_that("without a condition there is nothing, and a table without rows is no table", {
  expect_null(compute_draw_conditions(collect_made(make_small_draws())))
  expect_null(tabulate_draw_conditions(NULL, "Nothing."))
  expect_identical(is_missing_phase(NULL), logical())
})

test_that("conditions are said in words", {
  expect_identical(
    describe_condition(
      c("portal_venous_moved", "arterial_moved", "portal_venous_missing", "arterial_later", "arterial_later"),
      c(6, 0, NA, -10, 5)
    ),
    c(
      "portal venous phase moved by 6 mm", "arterial phase, as acquired", "without the portal venous phase",
      "arterial phase 10 s earlier", "arterial phase 5 s later"
    )
  )
  shown <- tabulate_draw_conditions(table[is_missing_phase(table), ], "Without.")
  expect_identical(shown$table$Condition, "without the delayed phase")
  expect_match(shown$caption, "^Without. 3 patients, 2 with a reference lesion. Differences from as acquired are")
  expect_identical(list_range(c(3, 3)), "3")
  expect_identical(list_range(c(5, 3, 4)), "3 to 5")
})

test_that("the figure has a panel for each measure and condition with amounts, and the variant's own colour", {
  plot <- plot_draw_curves(table[!is_missing_phase(table), ], c("delayed", "three-phase"), "virtual cohort")
  built <- ggplot2::ggplot_build(plot)
  expect_identical(nrow(built$layout$layout), 4L)
  points <- ggplot2::layer_data(plot, 4)
  expect_identical(unique(points$colour), unname(colour_segmentations(c("delayed", "three-phase"))["three-phase"]))
  expect_setequal(points$x, c(0, 6, -5, 5))
  expect_match(plot$labels$caption, "3 patients, 2 with a lesion")
})
